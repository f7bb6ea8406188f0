/* The pictures that were chosen: a list with a button beside each to take it off again.
   ES5 on purpose: Android 5 reads this. */
(function () {
  "use strict";

  var MB = 1e6;

  function tag(name, parent, text) {
    var made = document.createElement(name);
    if (text) { made.appendChild(document.createTextNode(text)); }
    parent.appendChild(made);
    return made;
  }

  function nameOf(file) { return file.name ? file.name + ": " : ""; }

  /* field: where pictures are chosen; the list stands below it.
     hooks: keep(file) makes a part, forget(part), changed() */
  function Photos(field, words, hooks) {
    var below = document.createElement("div");
    this.field = field;
    this.words = words;
    this.hooks = hooks;
    this.parts = [];
    this.shown = [];
    field.parentNode.insertBefore(below, field.nextSibling);
    this.said = tag("p", below);
    this.said.id = "xy-photos-said";
    this.said.className = "b";
    this.said.setAttribute("role", "status");
    this.list = tag("ul", below);
    this.list.id = "xy-photos";
    this.say("");
  }

  Photos.prototype.say = function (text) {
    this.said.textContent = text ? "⚠ " + text : "";
  };

  /* Takes what the field holds as far as it can be sent; false when something could not. */
  Photos.prototype.take = function () {
    var files = this.field.files || [], words = this.words, wrong = [], i;
    if (!files.length) { return true; }
    for (i = 0; i < files.length; i++) {
      if (files[i].size > words.photo_mb * MB) {
        wrong.push(nameOf(files[i]) + words.photo_large);
      } else if (this.parts.length < words.most_photos) {
        this.parts.push(this.hooks.keep(files[i]));
      } else {
        wrong.push(words.photo_many);
        break;
      }
    }
    this.field.value = "";
    this.say(wrong.join(" "));
    this.hooks.changed();
    this.paint();
    return !wrong.length;
  };

  Photos.prototype.remove = function (part) {
    var at = this.parts.indexOf(part), buttons;
    if (at < 0) { return; }
    this.hooks.forget(part);
    this.parts.splice(at, 1);
    this.say("");
    this.hooks.changed();
    this.paint();
    buttons = this.list.getElementsByTagName("button");
    (buttons[Math.min(at, buttons.length - 1)] || this.field).focus();
  };

  /* The server, or the telephone itself, cannot use the part that was being sent, those that the
     problem names, or all: they go, everything else stays. Returns what it says of it. */
  Photos.prototype.refuse = function (told, part) {
    var tokens = part ? [part.token] : told.takes || [], left = [], i;
    var why = (part ? this.name(part) + ": " : "") + (told.detail || this.words.photo_lost);
    why += " " + this.words.photo_off;
    for (i = 0; i < this.parts.length; i++) {
      if (!tokens.length || tokens.indexOf(this.parts[i].token) >= 0) {
        this.hooks.forget(this.parts[i]);
      } else { left.push(this.parts[i]); }
    }
    this.parts = left;
    this.paint();
    this.say(why);
    return why;
  };

  Photos.prototype.empty = function () {
    this.parts = [];
    this.paint();
  };

  Photos.prototype.paint = function () {
    var i;
    for (i = 0; i < this.shown.length; i++) { window.URL.revokeObjectURL(this.shown[i]); }
    this.shown = [];
    this.list.innerHTML = "";
    this.list.hidden = !this.parts.length;
    for (i = 0; i < this.parts.length; i++) { this.row(this.parts[i]); }
  };

  Photos.prototype.name = function (part, words) {
    return (words || this.words.photo).replace("NUMBER", this.parts.indexOf(part) + 1);
  };

  Photos.prototype.row = function (part) {
    var self = this, row = tag("li", this.list), image = tag("img", row), button;
    var address = window.URL.createObjectURL(part.whole());
    this.shown.push(address);
    image.alt = "";
    image.onerror = function () { image.hidden = true; };
    image.src = address;
    tag("span", row, this.name(part));
    button = tag("button", row, this.name(part, this.words.photo_remove));
    button.type = "button";
    button.className = "q";
    button.onclick = function () { self.remove(part); };
  };

  window.xyPhotos = Photos;
}());
