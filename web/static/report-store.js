/* Keeps what was recorded on the telephone itself: IndexedDB, or memory where there is none.
   ES5 on purpose: Android 5 reads this. */
(function () {
  "use strict";

  function Store(name) {
    this.prefix = name + "|";
    this.metaKey = "xy:" + name;
    this.db = null;
    this.meta = null;
    this.saved = true;
    this.failed = {};
    this.late = null;
  }

  /* done() comes in any case: without a database everything lives in memory. late() comes when
     the database opens after that. */
  Store.prototype.open = function (done) {
    var self = this, answered = false, asked;
    function ready() {
      if (!answered) { answered = true; done(); }
    }
    try {
      asked = window.indexedDB.open("xiangyin-report", 1);
      asked.onupgradeneeded = function () { asked.result.createObjectStore("pieces"); };
      asked.onsuccess = function () {
        self.db = asked.result;
        if (answered) { self.late(); } else { ready(); }
      };
      asked.onerror = ready;
      asked.onblocked = ready;
    } catch (ignored) {
      ready();
    }
    setTimeout(ready, 3000);
  };

  Store.prototype.change = function (work) {
    if (!this.db) { return false; }
    try {
      work(this.db.transaction("pieces", "readwrite").objectStore("pieces"));
      return true;
    } catch (ignored) { return false; } /* full or closed: memory still has it */
  };

  Store.prototype.range = function (token) {
    var start = this.prefix + token + "|";
    return window.IDBKeyRange.bound(start, start + "\uffff");
  };

  Store.prototype.put = function (token, number, value) {
    var self = this, key = this.prefix + token + "|" + ("000000" + number).slice(-6);
    function failed() { self.failed[token] = true; }
    if (!this.change(function (pieces) {
      pieces.transaction.onabort = failed;
      pieces.put(value, key).onerror = failed;
    })) { failed(); }
  };

  /* Whether the page may be closed without losing it. */
  Store.prototype.holds = function (token) {
    return !!this.db && !this.failed[token];
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

  /* done(values in order, up to the first that is missing) */
  Store.prototype.read = function (token, done) {
    var found = [], asked;
    if (!this.db) { done(found); return; }
    try {
      asked = this.db.transaction("pieces").objectStore("pieces").openCursor(this.range(token));
      asked.onsuccess = function () {
        var at = asked.result;
        if (!at || Number(at.key.slice(-6)) !== found.length) { done(found); return; }
        found.push(at.value);
        at["continue"]();
      };
      asked.onerror = function () { done(found); };
    } catch (ignored) {
      done(found);
    }
  };

  /* The draft's facts: {form_token, text, fields,
     parts: [{token, kind, mime, ms, size, is_file, stored, left}]} */
  Store.prototype.load = function () {
    try {
      this.meta = JSON.parse(window.localStorage.getItem(this.metaKey));
    } catch (ignored) { /* shut off, or not ours */ }
    return this.meta;
  };

  Store.prototype.save = function (meta) {
    this.meta = meta;
    this.saved = true;
    try {
      if (meta) {
        window.localStorage.setItem(this.metaKey, JSON.stringify(meta));
      } else {
        window.localStorage.removeItem(this.metaKey);
      }
    } catch (ignored) { this.saved = false; } /* full or shut off: this page still knows it */
  };

  window.xyStore = Store;
}());
