// The key of a one-time link stands behind its `#`, where no server and no log sees it: into the form, out of the address.
const field = document.querySelector("[data-from-link]");
if (field && location.hash.length > 1) {
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
