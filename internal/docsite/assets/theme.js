// Before anything is painted: the theme that the reader chose here.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden. Then the system's theme holds.
}
