/* Fills in the number that this telephone was asked to remember. ES5 on purpose. */
(function () {
  "use strict";
  var field = document.getElementById("reference_no");
  try {
    if (field && !field.value) { field.value = window.localStorage.getItem("xy-number") || ""; }
  } catch (ignored) { /* shut off: they type it */ }
}());
