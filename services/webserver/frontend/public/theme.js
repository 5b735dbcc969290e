// Runs before the first paint, so that a dark page never flashes white. It is a file of its own
// because the server's Content-Security-Policy allows no inline script.
(function () {
  try {
    var theme = localStorage.getItem("gale.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    var language = localStorage.getItem("gale.language");
    if (language) document.documentElement.lang = language;
  } catch (error) {
    // Storage is switched off: the system's theme is used.
  }
})();
