/* The recorder of the villagers' page. Loaded when somebody agreed, or left a draft here.
   ES5 on purpose: Android 5 reads this. No microphone is opened before the consent is ticked. */
(function () {
  "use strict";

  var LIMIT_MS = 600000, WARN_MS = 540000, PIECE_MS = 1000, LEAST_MS = 1000, QUIET_AFTER_MS = 4000;
  var KINDS = ["audio/webm;codecs=opus", "audio/mp4;codecs=mp4a.40.2", "audio/mp4",
    "audio/ogg;codecs=opus", "audio/webm"];
  var form = document.getElementById("form");
  var address = location.pathname, store = new window.xyStore(address);
  var csrf = form.elements.csrf_token.value, formToken = form.elements.form_token.value;
  var sound = null, earlier = null, fields = null, tape = null, words, sender, photos, box;
  var eraser, farewell = null, lost = []; /* facts of sounds the telephone does not give back */

  function el(name) { return document.getElementById("xy-" + name); }
  function show(node, on) { if (node) { node.hidden = !on; } }
  function say(text) { farewell = null; el("say").textContent = text || ""; }
  function now() { return new Date().getTime(); }
  function clock(ms) {
    var s = Math.floor(ms / 1000);
    return Math.floor(s / 60) + ":" + ("0" + s % 60).slice(-2);
  }
  function agreed() { return form.elements.consent.checked; }

  function token() {
    var bytes = new Uint8Array(18), text = "", i;
    window.crypto.getRandomValues(bytes);
    for (i = 0; i < bytes.length; i++) { text += ("0" + bytes[i].toString(16)).slice(-2); }
    return text;
  }

  /* --- the draft ------------------------------------------------------------------------- */

  function parts() {
    return (sound ? [sound] : []).concat(photos.parts);
  }

  function remember() {
    var list = lost.concat((earlier ? [earlier] : []).concat(parts()).map(function (part) {
      return { token: part.token, kind: part.kind, mime: part.mime, ms: part.ms, size: part.size,
        is_file: !!part.blob, stored: part.stored, left: part.left };
    }));
    if (!list.length && !form.elements.text.value) { store.save(null); return; }
    store.save({ form_token: formToken, text: form.elements.text.value, parts: list,
      fields: fields });
  }

  /* The server may have it from an earlier opening of the page. */
  function erase(part) {
    part.left.concat(part.token).forEach(function (token) { eraser.add(token); });
    if (part.again) { part.again(); }
  }

  function forget(part) {
    if (!part) { return; }
    store.drop(part.stored);
    erase(part);
  }

  function restore() {
    var left = lost.length;
    function next() {
      var facts = lost[0];
      if (!left--) { goOn(); return; }
      store.read(facts.stored || facts.token, function (found) {
        var part, i;
        lost.shift();
        if (facts.is_file) { facts.blob = found[0]; }
        part = new window.xyPart(facts);
        for (i = 0; !facts.is_file && i < found.length; i++) { part.add(found[i]); }
        if (part.size && part.kind === "photo") { photos.parts.push(part); }
        if (part.size && part.kind === "sound") {
          part.ms = part.ms || found.length * PIECE_MS;
          earlier = sound;
          sound = part;
        }
        if (!part.size && part.kind === "sound" && facts.size) { lost.push(facts); }
        next();
      });
    }
    next();
  }

  /* As it was when they pressed "send". */
  function refill(kept) {
    var name, field;
    for (name in kept) {
      field = form.elements[name] || {};
      if (field.type === "checkbox") { field.checked = true; } else { field.value = kept[name]; }
    }
  }

  /* Words never go without the voice they belong to unless somebody presses "send" again. */
  function goOn() {
    var meta = store.meta;
    show(el("old"), !!sound);
    fields = !lost.length && meta.fields || null;
    if (meta.fields) { refill(meta.fields); }
    busy(!!fields);
    photos.take();
    photos.paint();
    paint();
    sender.go();
  }

  /* What is new goes first. */
  function lookAgain() {
    if (lost.length && !sound && !tape && !fields) { restore(); }
  }

  function fresh(part) {
    if (sound) { earlier = sound; }
    sound = part;
    remember();
  }

  /* The new take is there: only now the one before may go. */
  function settle() {
    forget(earlier);
    earlier = null;
    remember();
    paint();
    sender.go();
  }

  function fromFile(file, kind) {
    var part = new window.xyPart({ token: token(), kind: kind, blob: file, mime: file.type });
    store.put(part.stored, 0, file);
    return part;
  }

  /* --- recording ------------------------------------------------------------------------- */

  function microphone(well, badly) {
    var wish = { audio: { echoCancellation: false, noiseSuppression: false } };
    var old = navigator.webkitGetUserMedia;
    if (navigator.mediaDevices && navigator.mediaDevices.getUserMedia) {
      navigator.mediaDevices.getUserMedia(wish).then(well, badly);
    } else { old.call(navigator, { audio: true }, well, badly); }
  }

  function canRecord() {
    var media = navigator.mediaDevices;
    return !!(window.MediaRecorder && ((media && media.getUserMedia) ||
      navigator.webkitGetUserMedia));
  }

  function recorderOf(stream) {
    var i, kind = "";
    for (i = 0; i < KINDS.length && window.MediaRecorder.isTypeSupported; i++) {
      if (window.MediaRecorder.isTypeSupported(KINDS[i])) { kind = KINDS[i]; break; }
    }
    try {
      return new window.MediaRecorder(stream,
        kind ? { mimeType: kind, audioBitsPerSecond: 32000 } : {});
    } catch (ignored) {
      return new window.MediaRecorder(stream);
    }
  }

  function start() {
    if (!agreed()) { say(words.agree); form.elements.consent.focus(); return; }
    el("rec").disabled = true;
    say(words.opening);
    microphone(function (stream) {
      el("rec").disabled = false;
      if (!agreed()) { stopTracks(stream); say(words.agree); return; }
      record(stream);
    }, function () {
      el("rec").disabled = false;
      say(words.refused);
      show(document.getElementById("phones-own"), true);
    });
  }

  function stopTracks(stream) {
    var tracks = stream.getTracks ? stream.getTracks() : [], i;
    for (i = 0; i < tracks.length; i++) { tracks[i].stop(); }
    if (!tracks.length && stream.stop) { stream.stop(); }
  }

  function record(stream) {
    var made = recorderOf(stream), tracks = stream.getTracks ? stream.getTracks() : [];
    var part = new window.xyPart({ token: token(), kind: "sound", mime: made.mimeType });
    part.open = true;
    if (earlier && sound) { forget(earlier); }
    tape = { recorder: made, stream: stream, part: part, began: now(), loud: 0, blobs: [],
      reading: false, number: 0, stopped: false, meter: meter(stream) };
    fresh(part);
    made.ondataavailable = function (event) {
      if (event.data && event.data.size) { tape.blobs.push(event.data); drain(tape); }
      if (now() - tape.began >= LIMIT_MS) { stop(); } /* clocks rest while a screen is dark */
    };
    made.onstop = function () { tape.stopped = true; drain(tape); };
    made.onerror = stop;
    if (tracks[0]) { tracks[0].onended = stop; }
    made.start(PIECE_MS);
    tape.timer = setInterval(tick, 200);
    stayAwake(tape);
    say(words.speak);
    paint();
    sender.go();
  }

  function stayAwake(tape) {
    if (!navigator.wakeLock) { return; }
    navigator.wakeLock.request("screen").then(function (lock) {
      tape.lock = lock;
      if (tape.stopped) { lock.release(); }
    }, function () { /* the battery is low: it may sleep */ });
  }

  /* Pieces are read one after the other, so that they keep their order. */
  function drain(tape) {
    var reader = new FileReader();
    if (tape.reading) { return; }
    if (!tape.blobs.length) { if (tape.stopped) { ended(tape); } return; }
    tape.reading = true;
    reader.onloadend = function () {
      if (reader.result) {
        tape.part.add(reader.result);
        store.put(tape.part.stored, tape.number++, reader.result);
        if (tape.number === 1) { remember(); }
      }
      tape.reading = false;
      sender.go();
      drain(tape);
    };
    reader.readAsArrayBuffer(tape.blobs.shift());
  }

  function meter(stream) {
    var Context = window.AudioContext || window.webkitAudioContext, context, ear;
    if (!Context) { return null; }
    try {
      context = new Context();
      ear = context.createAnalyser();
      ear.fftSize = 1024;
      context.createMediaStreamSource(stream).connect(ear);
      if (context.resume) { context.resume(); }
      return { context: context, ear: ear, bytes: new Uint8Array(1024) };
    } catch (ignored) { return null; }
  }

  function level(meter) {
    var loudest = 0, i;
    if (!meter) { return null; }
    meter.ear.getByteTimeDomainData(meter.bytes);
    for (i = 0; i < meter.bytes.length; i++) {
      loudest = Math.max(loudest, Math.abs(meter.bytes[i] - 128));
    }
    return loudest;
  }

  function tick() {
    var ms = now() - tape.began, loud = level(tape.meter);
    tape.part.ms = ms;
    el("time").textContent = clock(ms);
    if (loud !== null) {
      tape.loud = Math.max(tape.loud, loud);
      el("bar").style.width = Math.min(100, Math.round(Math.sqrt(loud / 128) * 100)) + "%";
    }
    if (ms >= LIMIT_MS) { stop(); } else if (ms >= WARN_MS) { say(words.soon); } else if (
      loud !== null && ms > QUIET_AFTER_MS) { say(tape.loud < 4 ? words.quiet : words.speak); }
  }

  function stop() {
    if (!tape || tape.recorder.state === "inactive") { return; }
    clearInterval(tape.timer);
    tape.part.ms = now() - tape.began;
    tape.recorder.stop();
    stopTracks(tape.stream);
    if (tape.lock) { tape.lock.release(); }
    if (tape.meter && tape.meter.context.close) { tape.meter.context.close(); }
  }

  function ended(was) {
    var part = was.part;
    part.open = false;
    tape = null;
    if (!part.size || (earlier && part.ms < LEAST_MS)) {
      forget(part);
      sound = earlier;
      earlier = null;
      remember();
      say(words.short_one);
      paint();
      sender.go();
      return;
    }
    if (agreed()) { say(words.recorded); }
    settle();
  }

  /* --- what is to be seen ---------------------------------------------------------------- */

  function paint() {
    var on = !!tape, player = el("player"), can = canRecord();
    el("rec").className = on ? "on" : "";
    el("rec").textContent = on ? words.stop : sound ? words.again : words.start;
    show(el("rec"), can);
    show(el("meter"), on);
    show(el("taken"), !on && !!sound);
    show(el("swap"), !on && !!earlier);
    show(el("lost"), !!lost.length);
    show(document.getElementById("phones-own"), !can);
    if (!on && sound) {
      if (player.src) { window.URL.revokeObjectURL(player.src); }
      player.src = window.URL.createObjectURL(sound.whole());
      el("length").textContent = sound.ms ? clock(sound.ms) : "";
    }
  }

  function isKept() {
    return store.saved && parts().every(function (part) { return store.holds(part.stored); });
  }

  function state(word, detail) {
    var all = 0, here = 0, i, text = words[word] || "";
    var bad = word === "offline" || word === "waiting";
    var list = fields ? parts() : sound ? [sound] : []; /* pictures go when "send" was pressed */
    if (!agreed()) { return; }
    for (i = 0; i < list.length; i++) { all += list[i].size; here += list[i].sent; }
    if (word === "sending" && tape) { text = words.saving; }
    if (word === "sending" && !tape && here >= all) { text = words.here; }
    if (word === "sending" && !tape && here < all) {
      text += " " + Math.floor(here * 100 / all) + " %";
    }
    if (word === "sending" && !all) { text = ""; }
    if (bad && !isKept()) { text = words[word + "_open"]; }
    tell(text + (detail ? " " + detail : ""), bad);
  }

  /* Said beside the recording and above the last button: one of them is on the screen. */
  function tell(text, bad) {
    el("state").textContent = el("near").textContent = text;
    el("state").className = el("near").className = bad ? "b" : "s";
  }

  /* done: said when the server has thrown it away too */
  function takenBack(soon, done) {
    farewell = [done, soon];
    tell("", false);
    erased();
  }

  function erased() {
    if (farewell) { el("say").textContent = farewell[eraser.tokens.length ? 1 : 0]; }
  }

  /* part: what was being sent; null: the form. A picture nobody can use costs no voice. */
  function refused(told, part) {
    var why = told.detail;
    fields = null;
    if (told.field === "photo") { why = photos.refuse(told, part); }
    remember();
    busy(false);
    tell("⚠ " + why, true);
    if (told.field === "consent") { form.elements.consent.focus(); }
    if (told.field && form.elements[told.field] && form.elements[told.field].focus) {
      form.elements[told.field].focus();
    }
  }

  function lock(on) { el("send").disabled = el("now").disabled = el("rec").disabled = on; }

  function busy(on) {
    lock(on);
    el("send").textContent = el("now").textContent = on ? words.under_way : words.send;
  }

  function done(receipt) {
    var list = parts(), main = document.getElementById("main"), i;
    for (i = 0; i < list.length; i++) { store.drop(list[i].stored); }
    if (earlier) { forget(earlier); }
    sound = earlier = fields = null;
    photos.empty();
    form.elements.text.value = "";
    remember();
    main.innerHTML = receipt;
    window.scrollTo(0, 0);
    window.xyKeep();
  }

  /* --- wiring ---------------------------------------------------------------------------- */

  function collect() {
    var names = ["consent", "confidential", "on_behalf"], kept = {}, i, name;
    for (i = 0; i < names.length; i++) {
      if (form.elements[names[i]].checked) { kept[names[i]] = "1"; }
    }
    names = ["text", "phone", "resident_name", "resident_phone", "form_token"];
    for (i = 0; i < names.length; i++) {
      name = names[i];
      kept[name] = form.elements[name].value;
    }
    return kept;
  }

  function takeFiles() {
    var names = ["recorded", "chosen"], i, input;
    for (i = 0; i < names.length; i++) {
      input = form.elements[names[i]];
      if (input.files && input.files[0]) {
        fresh(fromFile(input.files[0], "sound"));
        input.value = "";
        settle();
      }
    }
  }

  function send(event) {
    if (event.preventDefault) { event.preventDefault(); }
    if (window.xyTooLarge(form)) { return false; }
    if (tape) { stop(); } else if (earlier) { erase(earlier); }
    takeFiles();
    if (!photos.take()) { form.elements.photo.focus(); return false; }
    if (!sound && !form.elements.text.value.replace(/\s/g, "")) {
      tell("⚠ " + words.nothing, true);
      return false;
    }
    fields = collect();
    remember();
    busy(true);
    state("sending");
    sender.wait = 2000;
    sender.go();
    return false;
  }

  function consentChanged() {
    var list = lost.concat(earlier || [], parts()), i;
    if (agreed()) {
      for (i = 0; i < list.length; i++) { eraser.spare(list[i].token); }
      say("");
      sender.go();
      return;
    }
    stop();
    for (i = 0; i < list.length; i++) { erase(list[i]); }
    fields = null;
    busy(false);
    remember();
    takenBack(words.withdrawing, words.withdrawn);
  }

  function drop() {
    if (!window.confirm(words.sure)) { return; }
    forget(sound);
    sound = earlier;
    earlier = null;
    fields = null;
    show(el("old"), !!sound);
    dropped();
  }

  function dropLost() {
    if (!window.confirm(words.sure)) { return; }
    while (lost.length) { forget(lost.pop()); }
    dropped();
  }

  function dropped() {
    busy(!!fields);
    remember();
    takenBack(words.dropping, words.dropped);
    paint();
  }

  function wire() {
    el("rec").onclick = function () { if (tape) { stop(); } else { start(); } };
    el("swap").onclick = function () {
      var other = sound;
      sound = earlier;
      earlier = other;
      eraser.spare(sound.token);
      remember();
      paint();
    };
    el("drop").onclick = drop;
    el("lost-drop").onclick = dropLost;
    form.elements.consent.onchange = consentChanged;
    form.elements.confidential.onchange = function () {
      var list = parts(), i;
      for (i = 0; i < list.length; i++) { list[i].begun = false; }
      sender.go();
    };
    form.elements.recorded.onchange = form.elements.chosen.onchange = function () {
      if (!window.xyTooLarge(form)) { takeFiles(); }
    };
    form.elements.photo.onchange = function () { photos.take(); };
    form.elements.text.oninput = function () { remember(); };
    form.onsubmit = send;
  }

  function begin() {
    var meta = store.load();
    words = JSON.parse(box.querySelector("[data-words]").getAttribute("data-words"));
    sender = new window.xySender(address, {
      parts: parts, may: agreed, fields: function () { return fields; },
      confidential: function () { return form.elements.confidential.checked; },
      csrf: function () { return csrf; }, setCsrf: function (fresh) { csrf = fresh; },
      formToken: function () { return formToken; }, state: state, done: done, refused: refused,
      clean: function (done) { eraser.go(done); },
      anew: function (part) {
        part.left.push(part.token);
        part.token = token();
        remember();
      }
    });
    eraser = new window.xyEraser(sender, erased);
    eraser.go();
    photos = new window.xyPhotos(form.elements.photo, words, {
      keep: function (file) { return fromFile(file, "photo"); }, forget: forget,
      changed: function () { remember(); sender.go(); }
    });
    wire();
    if (meta) { /* nothing goes before all is here */
      lock(true);
      lost = meta.parts;
      formToken = form.elements.form_token.value = meta.form_token;
      if (!form.elements.text.value) { form.elements.text.value = meta.text || ""; }
    }
    store.late = lookAgain;
    store.open(function () {
      if (store.meta) { restore(); return; }
      store.clear();
      busy(false);
      photos.take();
      paint();
    });
  }

  function load(tries) {
    var asked = new XMLHttpRequest(), style = document.createElement("link");
    asked.open("GET", "/report/recorder", true);
    asked.onload = function () {
      if (asked.status !== 200) { asked.onerror(); return; }
      box = document.getElementById("recorder");
      box.innerHTML = asked.responseText;
      begin();
    };
    asked.onerror = function () {
      setTimeout(function () { load(tries + 1); }, Math.min(60000, 2000 * Math.pow(2, tries)));
    };
    asked.send();
    if (tries) { return; }
    style.rel = "stylesheet";
    style.href = form.getAttribute("data-css");
    document.getElementsByTagName("head")[0].appendChild(style);
  }

  load(0);
}());
