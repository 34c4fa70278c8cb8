"""All code that `diemcau-server` may come to use, loaded: for the process that forks servers off."""

import fleet_server.keeping_cli
import fleet_server.people_cli
import fleet_server.trust_cli
import fleet_server.web  # noqa: F401
from fleet_server.api.application import routers
from fleet_server.channels import registry  # noqa: F401
from fleet_server.discovery import modules_in

for package, part in (("fleet_server.api.v1", ""), ("fleet_server.pages", "page")):
    list(routers(package, part))
for package, part in (("fleet_server.channels", "channel"), ("fleet_server.ingest.handlers", "")):
    modules_in(package, part)
