// The officer's page: shows what the unit tells, and says so when it hears nothing.
//
// * Everything that came over the wire is put in as text, never as markup.
// * A page without news for data-lost-ms shows "no connection": never an old green.
// * What a unit in training says stands under its banner in every state, also when it is heard no more.
// * Name and birth date leave the page after data-clear-ms by the page's own clock too.
"use strict";

(() => {
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const texts = JSON.parse(at("texts").dataset.texts);
  const clearMs = Number(root.dataset.clearMs);
  const lostMs = Number(root.dataset.lostMs);

  let language = ["vi", "en"].includes(location.hash.slice(1)) ? location.hash.slice(1) : root.lang;
  let facts = null;
  let heard = 0;
  let live = "no";
  let clearing = 0;
  let stream = null;
  let retry = 0;

  const say = (key) => texts[key][language];
  const put = (id, text) => {
    const node = at(id);
    if (node.textContent !== text) node.textContent = text;
  };

  function connect() {
    clearTimeout(retry);
    if (stream) stream.close();
    stream = new EventSource("/events");
    stream.onmessage = (event) => {
      heard = performance.now();
      take(JSON.parse(event.data));
    };
    stream.addEventListener("beat", (event) => {
      heard = performance.now();
      const beat = JSON.parse(event.data);
      if (!facts || live !== "yes" || beat.id !== facts.id) return;
      Object.assign(facts, beat);
      showStanding();
    });
    stream.onerror = () => {
      stream.close();
      clearTimeout(retry);
      retry = setTimeout(connect, 700);
    };
  }

  function take(news) {
    const other = !facts || facts.id !== news.id || live !== "yes";
    const fresh = !facts || facts.id !== news.id;
    facts = news;
    live = "yes";
    // By the unit's word, not by the page's: a page outlives a restart of the unit.
    root.dataset.training = news.training ? "yes" : "no";
    if (fresh) {
      clearTimeout(clearing);
      if (news.holder || news.last) clearing = setTimeout(clearPerson, clearMs);
    }
    show(other);
  }

  // Which facts stand on the page, for whoever looks at it from outside.
  function mark() {
    root.dataset.shown = facts ? facts.id : "";
  }

  function clearPerson() {
    if (facts) facts = { ...facts, holder: null, last: null };
    show(false);
  }

  function lose() {
    live = "lost";
    facts = null;
    clearTimeout(clearing);
    show(true);
  }

  function show(news) {
    root.dataset.live = live;
    root.lang = language;
    document.title = (root.dataset.training === "yes" ? say("training") + " · " : "") + say("title");
    for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
    const button = at("language");
    button.textContent = say("language");
    button.lang = language === "vi" ? "en" : "vi";
    if (at("trust")) at("trust").search = "?lang=" + language;
    if (live === "lost") {
      root.dataset.signal = "OUT";
      put("sign", "⊘");
      put("word", say("lost_word"));
      put("headline", say("lost_hint"));
      for (const id of ["reasons", "advice", "duties"]) at(id).replaceChildren();
      showCall(null);
      showPerson(null, null);
    } else if (facts) {
      root.dataset.signal = facts.signal;
      put("sign", facts.sign);
      put("word", facts.word[language]);
      put("headline", facts.headline[language]);
      at("reasons").replaceChildren(...facts.reasons.slice(0, 5).map(reasonItem));
      at("advice").replaceChildren(...facts.advice.map((advice) => item(advice[language])));
      showCall(facts.call);
      at("duties").replaceChildren(...facts.duties.map((duty) => item(duty.text[language])));
      if (facts.holder) showPerson(facts, null);
      else showPerson(facts.last, facts.last);
    }
    showStanding();
    mark();
    if (news) {
      document.querySelector("main").classList.remove("news");
      requestAnimationFrame(() => document.querySelector("main").classList.add("news"));
    }
  }

  function item(text) {
    const node = document.createElement("li");
    node.textContent = text;
    return node;
  }

  function reasonItem(reason, number) {
    const node = document.createElement("li");
    // The first reason stands large above; here it needs its code only.
    const words = reason.text[language] === facts.headline[language] && number === 0 ? "" : reason.text[language] + " ";
    node.append(words);
    const code = document.createElement("code");
    code.textContent = reason.code;
    node.append(code);
    return node;
  }

  function showCall(call) {
    at("call").hidden = !call;
    put("call", call ? call.text[language] : "");
  }

  function showPerson(shown, last) {
    const holder = shown && shown.holder;
    at("person").hidden = !holder;
    at("chip").hidden = !last;
    put("chip", last ? `${say("last")}: ${last.sign} ${last.word[language]}` : "");
    at("person").dataset.tone = last ? last.colour : "";
    put("name", holder ? holder.name : "");
    at("name").classList.toggle("long", Boolean(holder) && holder.name.length > 34);
    put("birth-date", holder ? day(holder.birth_date) : "");
    put("document", shown && shown.document ? shown.document[language] : "");
    at("document").parentNode.hidden = !(shown && shown.document);
    put("issuer", (shown && shown.issuer) || "");
    at("issuer").classList.toggle("long", at("issuer").textContent.length > 26);
    at("issuer").parentNode.hidden = !(shown && shown.issuer);
    const recognition = shown && shown.recognition;
    put("recognition", recognition ? recognition.text[language] : "");
    at("recognition").dataset.class = recognition ? recognition.class : "";
  }

  // 1983-10-10 as it stands in a passport of the desk: 10/10/1983. A part of a date stays as it is.
  function day(text) {
    const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
    return parts ? `${parts[3]}/${parts[2]}/${parts[1]}` : text || "–";
  }

  function age(seconds) {
    if (seconds < 5400) return say("minutes").replace("{n}", Math.max(0, Math.round(seconds / 60)));
    if (seconds < 172800) return say("hours").replace("{n}", Math.round(seconds / 3600));
    return say("days").replace("{n}", Math.floor(seconds / 86400));
  }

  function bar(id, text, warn) {
    put(id, text);
    at(id).parentNode.classList.toggle("warn", warn);
  }

  function showStanding() {
    if (!facts) {
      for (const id of ["list", "rules", "clock"]) bar(id, "–", false);
      return;
    }
    const { list, clock, rules } = facts;
    if (list) bar("list", `${list.date} · ${age(list.age_s)} · ${say(list.state)}`, list.state !== "FRESH");
    else bar("list", say("no_list"), true);
    if (rules) bar("rules", `${rules.title[language] || rules.bundle} · ${rules.version}`, false);
    else bar("rules", say("no_rules"), true);
    if (clock) bar("clock", `${clock.text} · ${say(clock.state)}`, !["TRUSTED", "BOUNDED"].includes(clock.state));
    else bar("clock", "–", false);
  }

  at("language").addEventListener("click", () => {
    language = language === "vi" ? "en" : "vi";
    history.replaceState(null, "", "#" + language);
    show(false);
  });
  setInterval(() => {
    if (live !== "lost" && performance.now() - heard > lostMs) {
      lose();
      connect();
    }
  }, 250);
  heard = performance.now();
  connect();
})();
