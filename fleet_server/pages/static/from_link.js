// The code of a link stands behind its `#`, where no server, log or preview sees it: into the form, out of the address.
// A second link that is opened in the same tab loads nothing anew, and counts all the same.

const field = document.querySelector("[data-from-link]");

function take() {
  if (!field || location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}

take();
addEventListener("hashchange", take);
