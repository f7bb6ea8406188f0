/* Keeps what was recorded on the telephone itself: IndexedDB, or memory where there is none.
   ES5 on purpose: Android 5 reads this. */
(function () {
  "use strict";

  function Store(name) {
    this.prefix = name + "|";
    this.metaKey = "xy:" + name;
    this.db = null;
    this.meta = null;
  }

  /* done() comes in any case: without a database everything lives in memory. */
  Store.prototype.open = function (done) {
    var self = this, answered = false, asked;
    function ready() {
      if (!answered) { answered = true; done(); }
    }
    try {
      asked = window.indexedDB.open("xiangyin-report", 1);
      asked.onupgradeneeded = function () { asked.result.createObjectStore("pieces"); };
      asked.onsuccess = function () { self.db = asked.result; ready(); };
      asked.onerror = ready;
      asked.onblocked = ready;
    } catch (ignored) {
      ready();
    }
    setTimeout(ready, 3000);
  };

  Store.prototype.change = function (work) {
    if (!this.db) { return; }
    try {
      work(this.db.transaction("pieces", "readwrite").objectStore("pieces"));
    } catch (ignored) { /* full or closed: memory still has it */ }
  };

  Store.prototype.range = function (token) {
    var start = this.prefix + token + "|";
    return window.IDBKeyRange.bound(start, start + "\uffff");
  };

  Store.prototype.put = function (token, number, value) {
    var key = this.prefix + token + "|" + ("000000" + number).slice(-6);
    this.change(function (pieces) { pieces.put(value, key); });
  };

  Store.prototype.drop = function (token) {
    var range = this.db ? this.range(token) : null;
    this.change(function (pieces) { pieces["delete"](range); });
  };

  /* Without a draft nothing of this page has a reason to stay on the telephone. */
  Store.prototype.clear = function () {
    var range = this.db ? window.IDBKeyRange.bound(this.prefix, this.prefix + "\uffff") : null;
    this.change(function (pieces) { pieces["delete"](range); });
  };

  /* done(values in order) */
  Store.prototype.read = function (token, done) {
    var found = [], asked;
    if (!this.db) { done(found); return; }
    try {
      asked = this.db.transaction("pieces").objectStore("pieces").openCursor(this.range(token));
      asked.onsuccess = function () {
        var at = asked.result;
        if (!at) { done(found); return; }
        found.push(at.value);
        at["continue"]();
      };
      asked.onerror = function () { done(found); };
    } catch (ignored) {
      done(found);
    }
  };

  /* The draft's facts: {form_token, text, parts: [{token, kind, mime, ms, is_file}], fields} */
  Store.prototype.load = function () {
    try {
      this.meta = JSON.parse(window.localStorage.getItem(this.metaKey));
    } catch (ignored) { /* shut off, or not ours */ }
    return this.meta;
  };

  Store.prototype.save = function (meta) {
    this.meta = meta;
    try {
      if (meta) {
        window.localStorage.setItem(this.metaKey, JSON.stringify(meta));
      } else {
        window.localStorage.removeItem(this.metaKey);
      }
    } catch (ignored) { /* full or shut off: this page still knows it */ }
  };

  window.xyStore = Store;
}());
