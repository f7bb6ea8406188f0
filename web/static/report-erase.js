/* What its owner does not want any more: the server is asked until it has thrown it away, also
   when the page was closed meanwhile. ES5 on purpose: Android 5 reads this. */
(function () {
  "use strict";

  var KEY = "xy-gone", FIRST_WAIT_MS = 2000, LONGEST_WAIT_MS = 60000;

  function listed() {
    try {
      return JSON.parse(window.localStorage.getItem(KEY)) || [];
    } catch (ignored) { return []; } /* shut off, or not ours */
  }

  function changed(tokens, token, on) {
    var others = tokens.filter(function (one) { return one !== token; });
    return on ? others.concat(token) : others;
  }

  /* told() whenever the server has thrown one away; tokens: those still there. */
  function Eraser(sender, told) {
    var self = this;
    this.sender = sender;
    this.told = told;
    this.tokens = listed();
    this.waiting = [];
    this.busy = false;
    this.wait = FIRST_WAIT_MS;
    this.timer = null;
    sender.awake(function () { self.wait = FIRST_WAIT_MS; self.go(); });
  }

  /* Another tab may have changed the list as well. */
  Eraser.prototype.note = function (token, on) {
    var tokens = changed(listed(), token, on);
    this.tokens = changed(this.tokens, token, on);
    try {
      window.localStorage.setItem(KEY, JSON.stringify(tokens));
      if (!tokens.length) { window.localStorage.removeItem(KEY); }
    } catch (ignored) { /* this page still knows it */ }
  };

  Eraser.prototype.add = function (token) {
    this.note(token, true);
    this.wait = FIRST_WAIT_MS;
    this.go();
  };

  /* It is thrown away, or its owner wants it again. */
  Eraser.prototype.spare = function (token) { this.note(token, false); };

  /* tried() when all are gone, or one could not be thrown away now. */
  Eraser.prototype.go = function (tried) {
    var self = this, token = this.tokens[0];
    if (tried) { this.waiting.push(tried); }
    if (this.busy) { return; }
    clearTimeout(this.timer);
    if (!token) { this.release(); return; }
    this.busy = true;
    this.sender.request("DELETE", this.sender.address + "/takes/" + token, null, null,
      function (status, told) {
        self.busy = false;
        if (told && (told.offset === 0 || told.code === "take_gone")) {
          self.wait = FIRST_WAIT_MS;
          self.spare(token);
          self.told();
          self.go();
        } else if (status === 403) {
          self.busy = true;
          self.sender.renew(function () { self.busy = false; self.later(); });
        } else { self.later(); }
      });
  };

  Eraser.prototype.later = function () {
    var self = this;
    this.timer = setTimeout(function () { self.go(); }, this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    this.release();
  };

  Eraser.prototype.release = function () {
    var waiting = this.waiting, i;
    this.waiting = [];
    for (i = 0; i < waiting.length; i++) { waiting[i](); }
  };

  window.xyEraser = Eraser;
}());
