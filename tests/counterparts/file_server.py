"""Gives one file over HTTP, by ranges, as the centre does; it can break off, lie and send elsewhere."""

import http.server
import re
import threading


class FileServer:
    """`breaks_after` ends answers early, so many bytes in; `/away` redirects."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[str] = []
        self.breaks_after: int | None = None
        self.lies = False
        self.ignores_ranges = False
        centre = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/away":
                    self.send_response(302)
                    self.send_header("Location", "/file")
                    self.end_headers()
                    return
                wanted = self.headers.get("Range", "")
                centre.asked.append(wanted)
                found = re.fullmatch(r"bytes=(\d+)-", wanted)
                start = int(found[1]) if found and not centre.ignores_ranges else 0
                left = centre.content[start:]
                self.send_response(206 if start else 200)
                if start:
                    said = start + 1 if centre.lies else start
                    size = len(centre.content)
                    self.send_header("Content-Range", f"bytes {said}-{size - 1}/{size}")
                self.send_header("Content-Length", str(len(left)))
                self.end_headers()
                self.wfile.write(left if centre.breaks_after is None else left[: centre.breaks_after])

            def log_message(self, *_: object) -> None:
                return None

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/file"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
