/* Sends parts in pieces that may be repeated, then the form; goes on until all is there.
   ES5 on purpose: Android 5 reads this. */
(function () {
  "use strict";

  var PIECE = 131072, SHORTEST_PIECE = 16384, TALK_EVERY_MS = 3000;
  var FIRST_WAIT_MS = 2000, LONGEST_WAIT_MS = 60000, REQUEST_MS = 60000;
  var table = null;

  function crcTable() {
    var n, k, c;
    table = [];
    for (n = 0; n < 256; n++) {
      c = n;
      for (k = 0; k < 8; k++) { c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1; }
      table[n] = c;
    }
  }

  function crcOf(crc, buffer) {
    var bytes = new Uint8Array(buffer), i;
    if (!table) { crcTable(); }
    for (i = 0; i < bytes.length; i++) { crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8); }
    return crc;
  }

  /* A part grows by add() while it is open, or is a file. stored: the token under which the
     telephone keeps it; left: tokens under which the server has more of it. */
  function Part(facts) {
    this.token = facts.token;
    this.stored = facts.stored || facts.token;
    this.left = facts.left || [];
    this.kind = facts.kind;
    this.mime = facts.mime || "";
    this.ms = facts.ms || 0;
    this.pieces = [];
    this.blob = facts.blob || null;
    this.size = this.blob ? this.blob.size : 0;
    this.open = false;
    this.begun = false;
    this.sent = 0;
    this.crc = null;
  }

  Part.prototype.add = function (buffer) {
    this.pieces.push(buffer);
    this.size += buffer.byteLength;
  };

  Part.prototype.whole = function () {
    return this.blob || new Blob(this.pieces, { type: this.mime });
  };

  /* done(ArrayBuffer or null) */
  Part.prototype.read = function (offset, length, done) {
    var reader = new FileReader();
    reader.onload = function () { done(reader.result); };
    reader.onerror = function () { done(null); };
    reader.readAsArrayBuffer(this.whole().slice(offset, offset + length));
  };

  Part.prototype.checksum = function (done) {
    var self = this, crc = -1, at = 0;
    function next() {
      if (at >= self.size) {
        self.crc = ("0000000" + ((crc ^ -1) >>> 0).toString(16)).slice(-8);
        done();
        return;
      }
      self.read(at, PIECE, function (buffer) {
        if (!buffer) { done(); return; }
        crc = crcOf(crc, buffer);
        at += buffer.byteLength;
        next();
      });
    }
    next();
  };

  Part.prototype.again = function () {
    this.begun = false;
    this.sent = 0;
  };

  Part.prototype.name = function () {
    return this.token + ":" + this.size + ":" + this.crc;
  };

  /* hooks: parts(), may(), confidential(), csrf(), setCsrf(), formToken(), state(word, detail),
     fields() or null while nobody pressed send, done(receipt), refused(problem, part or null),
     clean(done): throw away first what was taken back, anew(part): give it another token */
  function Sender(address, hooks) {
    var self = this;
    this.address = address;
    this.hooks = hooks;
    this.busy = false;
    this.isClean = false;
    this.wait = FIRST_WAIT_MS;
    this.timer = null;
    this.last = 0;
    this.awake(function () { self.wait = FIRST_WAIT_MS; self.go(); });
  }

  /* now() whenever the net may be back. */
  Sender.prototype.awake = function (now) {
    window.addEventListener("online", now);
    window.addEventListener("focus", now);
    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) { now(); }
    });
  };

  Sender.prototype.request = function (method, url, body, type, done) {
    var self = this, asked = new XMLHttpRequest(), answered = false;
    function finish() {
      var told = null;
      if (answered) { return; }
      answered = true;
      try { told = JSON.parse(asked.responseText); } catch (ignored) { told = null; }
      done(asked.status, told);
    }
    asked.open(method, url, true);
    asked.timeout = REQUEST_MS;
    asked.setRequestHeader("Accept", "application/json");
    asked.setRequestHeader("X-CSRF-Token", self.hooks.csrf());
    if (type) { asked.setRequestHeader("Content-Type", type); }
    asked.onload = finish;
    asked.onerror = finish;
    asked.ontimeout = finish;
    asked.onabort = finish;
    try { asked.send(body); } catch (ignored) { finish(); }
  };

  Sender.prototype.go = function () {
    var parts, i, part;
    if (this.busy || !this.hooks.may()) { return; }
    clearTimeout(this.timer);
    parts = this.hooks.parts();
    for (i = 0; i < parts.length; i++) {
      part = parts[i];
      if (part.kind === "photo" && !this.hooks.fields()) { continue; } /* it may be taken off yet */
      if (!part.begun) { this.begin(part); return; }
      if (part.sent < part.size && this.worth(part)) { this.piece(part); return; }
      if (!part.open && part.sent >= part.size && part.crc === null) { this.sum(part); return; }
      if (part.open) { return; }
    }
    if (this.hooks.fields()) { this.finish(parts); }
  };

  /* What was taken back goes before, so that nobody hears it beside what is handed in. */
  Sender.prototype.finish = function (parts) {
    var self = this;
    if (this.isClean) { this.isClean = false; this.form(parts); return; }
    this.busy = true;
    this.hooks.clean(function () {
      self.busy = false;
      self.isClean = true;
      self.go();
    });
  };

  /* While somebody speaks, small pieces wait for each other. */
  Sender.prototype.worth = function (part) {
    return !part.open || part.size - part.sent >= SHORTEST_PIECE ||
      new Date().getTime() - this.last >= TALK_EVERY_MS;
  };

  Sender.prototype.begin = function (part) {
    var self = this;
    var body = "consent=1&kind=" + part.kind + "&form_token=" + this.hooks.formToken() +
      (this.hooks.confidential() ? "&confidential=1" : "");
    this.busy = true;
    this.request("POST", this.address + "/takes/" + part.token, body,
      "application/x-www-form-urlencoded", function (status, told) {
        if (status === 200 && told) {
          part.begun = true;
          part.sent = told.offset;
          /* the telephone lost some of it: what the server has stays there */
          if (told.offset > part.size) { part.again(); self.hooks.anew(part); }
          self.well();
        } else { self.badly(status, told, part); }
      });
  };

  Sender.prototype.piece = function (part) {
    var self = this, at = part.sent;
    this.busy = true;
    part.read(at, PIECE, function (buffer) {
      if (!buffer) { self.unread(part); return; }
      self.request("POST", self.address + "/takes/" + part.token + "/" + at, buffer,
        "application/octet-stream", function (status, told) {
          self.last = new Date().getTime();
          if (status === 200 && told) {
            part.sent = told.offset;
            self.well();
          } else { self.badly(status, told, part); }
        });
    });
  };

  Sender.prototype.sum = function (part) {
    var self = this;
    this.busy = true;
    part.checksum(function () {
      self.busy = false;
      if (part.crc === null) { self.unread(part); } else { self.go(); }
    });
  };

  /* A picture that the telephone itself cannot read any more must not keep the voice back. */
  Sender.prototype.unread = function (part) {
    if (part.kind !== "photo") { this.badly(0, null, part); return; }
    this.busy = false;
    this.hooks.refused({ field: "photo" }, part);
  };

  Sender.prototype.form = function (parts) {
    var self = this, form = new FormData(), fields = this.hooks.fields(), name, i;
    for (name in fields) {
      if (fields.hasOwnProperty(name)) { form.append(name, fields[name]); }
    }
    form.append("csrf_token", this.hooks.csrf());
    for (i = 0; i < parts.length; i++) {
      form.append(parts[i].kind === "sound" ? "take" : "photo_take", parts[i].name());
    }
    this.busy = true;
    this.hooks.state("finishing");
    this.request("POST", this.address, form, null, function (status, told) {
      if (status === 200 && told && told.receipt) {
        self.busy = false;
        self.hooks.done(told.receipt);
      } else { self.badly(status, told, null); }
    });
  };

  Sender.prototype.well = function () {
    this.busy = false;
    this.wait = FIRST_WAIT_MS;
    this.hooks.state("sending");
    this.go();
  };

  /* part: what was being sent; null: the form. */
  Sender.prototype.badly = function (status, told, part) {
    var self = this, code = told && told.code, i, parts;
    this.busy = false;
    if (part && this.hooks.parts().indexOf(part) < 0) { this.go(); return; } /* taken back */
    if (status === 403) {
      this.busy = true;
      this.renew(function (status) { self.busy = false; self.later(status, null); });
      return;
    }
    if (code === "take_gone" || code === "take_differs") {
      parts = part ? [part] : this.hooks.parts();
      for (i = 0; i < parts.length; i++) { parts[i].again(); }
      this.later(status, null);
      return;
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429 && told) {
      this.hooks.refused(told, part);
      return;
    }
    this.later(status, told);
  };

  Sender.prototype.later = function (status, told) {
    var self = this;
    this.hooks.state(status ? "waiting" : "offline", told && told.detail);
    clearTimeout(this.timer);
    this.timer = setTimeout(function () { self.go(); }, this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  };

  /* The page lay open for so long that its token is too old: a fresh page has a fresh one. */
  Sender.prototype.renew = function (done) {
    var self = this, asked = new XMLHttpRequest();
    asked.open("GET", this.address, true);
    asked.timeout = REQUEST_MS;
    asked.onloadend = function () {
      var found = /name="csrf_token" value="([^"]+)"/.exec(asked.responseText || "");
      if (found) { self.hooks.setCsrf(found[1]); }
      done(asked.status);
    };
    asked.send();
  };

  window.xyPart = Part;
  window.xySender = Sender;
}());
