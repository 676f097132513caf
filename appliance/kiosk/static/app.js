// The officer's page: shows what the unit tells, and says so when it hears nothing.
//
// * Everything that came over the wire is put in as text, never as markup.
// * A page without news for data-lost-ms shows "no connection": never an old green.
// * What a unit in training says stands under its banner in every state, also when it is heard no more.
// * Whatever is about a person leaves the page after data-clear-ms by the page's own clock too.
// * Of several persons each has a line with its own sign and word; no name stands under another's colour.
"use strict";

import { makePanel } from "./panel.js";

(() => {
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const texts = JSON.parse(at("texts").dataset.texts);
  const MAX_PAPERS = 4;
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
  const panel = makePanel({ say, language: () => language, at });
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
      if (about(news)) clearing = setTimeout(clearPerson, clearMs);
    }
    show(other);
  }

  // Whether facts are about somebody, who leaves the page in a while.
  function about(shown) {
    return shown.holder || shown.last || shown.people.length || shown.traveller || shown.without;
  }

  // Which facts stand on the page, for whoever looks at it from outside.
  function mark() {
    root.dataset.shown = facts ? facts.id : "";
  }

  function clearPerson() {
    const gone = { holder: null, last: null, people: [], traveller: null, identity: null, certificates: [] };
    const none = { ways: [], asks: [], explained: false, without: false };
    const bare = (reason) => ({ ...reason, note: null });
    if (facts) facts = { ...facts, ...gone, ...none, reasons: facts.reasons.map(bare) };
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
      put("by", "");
      at("door").hidden = true;
      showCall(null);
      showPerson(null, null);
      showPeople([]);
    } else if (facts) {
      root.dataset.signal = facts.signal;
      put("sign", facts.sign);
      put("word", facts.word[language]);
      put("headline", facts.headline[language]);
      at("reasons").replaceChildren(...facts.reasons.slice(0, 5).map(reasonItem));
      at("advice").replaceChildren(...facts.advice.map((advice) => item(advice[language])));
      showCall(facts.call);
      at("duties").replaceChildren(...facts.duties.map((duty) => item(duty.text[language])));
      at("door").hidden = !facts.door;
      put("door", facts.door ? facts.door.text[language] : "");
      put("by", judgedBy(facts));
      showPeople(facts.people);
      if (facts.holder || facts.traveller) showPerson(facts, null);
      else showPerson(facts.last, facts.last);
    }
    showActions();
    panel.keepUp(live === "yes" ? facts : null);
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
    if (reason.note) {
      const note = document.createElement("b");
      note.className = "note";
      note.textContent = reason.note[language];
      node.append(" ", note);
    }
    return node;
  }

  // By which way the rules were met, and which rules those were.
  function judgedBy(shown) {
    const parts = shown.ways.filter((way) => way.met).map((way) => way.text[language]);
    if (shown.order) parts.push(`${say("order")}: ${shown.order.title[language]}`);
    if (shown.bundle) parts.push(`${shown.bundle.bundle} ${shown.bundle.version}`);
    return parts.join(" · ");
  }

  function showPeople(people) {
    at("people").hidden = !people.length;
    at("people").firstElementChild.replaceChildren(...people.map((one) => {
      const line = document.createElement("li");
      line.dataset.tone = one.colour;
      const part = (tag, name, text) => {
        const node = document.createElement(tag);
        node.className = name;
        node.textContent = text;
        return node;
      };
      const who = part("span", "who", one.holder ? one.holder.name + " " : "– ");
      who.append(part("small", "", one.holder ? day(one.holder.birth_date) : one.document ? one.document[language] : ""));
      const codes = one.reasons.map((reason) => reason.code).slice(0, 3).join(", ");
      const why = [one.headline[language], ...one.duties.map((duty) => duty.text[language])].join(" · ");
      line.append(part("b", "own", `${one.sign} ${one.word[language]}`), who, part("span", "why", why));
      if (codes) line.append(part("code", "", codes));
      return line;
    }));
  }

  // What a tap can do now: what the result asks for first.
  function showActions() {
    const on = live === "yes" && facts && !["OUT", "BOOT"].includes(facts.signal);
    at("actions").hidden = !on;
    if (!on) return;
    const shown = facts.holder ? facts : facts.last || facts;
    for (const old of at("actions").querySelectorAll(".ask-for")) old.remove();
    for (const name of shown.asks.slice(0, 3).reverse()) {
      const ask = document.createElement("button");
      ask.type = "button";
      ask.className = ["role", "paper"].includes(name) ? "button ask-for may" : "button ask-for";
      ask.dataset.ask = name;
      ask.textContent = say("ask_" + name) + "?";
      ask.addEventListener("click", () => panel.journey(facts, [name]));
      at("actions").prepend(ask);
    }
    at("why").hidden = !shown.explained;
    // Of several persons nobody knows whose journey is meant.
    at("journey").hidden = shown.asks.length > 2 || facts.people.length > 0;
    at("none").hidden = Boolean(facts.holder || facts.last || facts.people.length || facts.without);
    at("next").hidden = !about(facts) && !facts.state;
  }

  function showCall(call) {
    at("call").hidden = !call;
    put("call", call ? call.text[language] : "");
  }

  function showPerson(shown, last) {
    // A passport that waits for its certificate has a name too.
    const holder = shown && (shown.holder || shown.traveller);
    const identity = shown && shown.identity;
    // So has the answer to a traveller without a certificate, whose name nobody knows.
    at("person").hidden = !holder && !last;
    at("name").parentNode.hidden = at("birth-date").parentNode.hidden = !holder;
    at("chip").hidden = !last;
    put("chip", last ? `${say("last")}: ${last.sign} ${last.word[language]}` : "");
    at("person").dataset.tone = last ? last.colour : "";
    put("ask", identity ? identity.text[language] : say(asked(shown)));
    at("ask").dataset.agrees = identity ? (identity.agrees ? "yes" : "no") : "";
    at("notes").replaceChildren(...(identity ? identity.notes : []).map((note) => item(note[language])));
    put("name", holder ? holder.name : "");
    at("name").classList.toggle("long", Boolean(holder) && holder.name.length > 34);
    at("name").classList.toggle("more", Boolean(holder && holder.full_name));
    put("birth-date", holder ? day(holder.birth_date) : "");
    put("document", shown && shown.document ? shown.document[language] : "");
    at("document").parentNode.hidden = !(shown && shown.document);
    put("issuer", (shown && shown.issuer) || "");
    at("issuer").classList.toggle("long", at("issuer").textContent.length > 26);
    at("issuer").parentNode.hidden = !(shown && shown.issuer);
    const recognition = shown && shown.recognition;
    put("recognition", recognition ? recognition.text[language] : "");
    at("recognition").dataset.class = recognition ? recognition.class : "";
    showPapers((shown && shown.certificates) || []);
  }

  function asked(shown) {
    if (shown && !shown.holder && shown.traveller) return "passport";
    return shown && shown.without ? "none" : "compare";
  }

  // What was shown, a line for each event; the hour as the document has it stands small.
  function showPapers(papers) {
    const events = papers.flatMap((paper) => paper.events);
    const lines = events.slice(0, MAX_PAPERS).map((event) => {
      const line = item(event.text[language]);
      if (event.small) {
        const small = document.createElement("small");
        small.textContent = event.small[language];
        line.append(" ", small);
      }
      return line;
    });
    if (events.length > MAX_PAPERS) lines.push(item(`+ ${events.length - MAX_PAPERS}`));
    at("papers").replaceChildren(...lines);
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
    const named = rules && rules.bundle ? `${rules.title[language]} · ${rules.version}` : say("no_rules");
    const coming = rules && rules.next ? ` · ${say("new_rules").replace("{date}", rules.next.date)}` : "";
    bar("rules", named + coming, !(rules && rules.bundle) || Boolean(coming));
    if (clock) bar("clock", `${clock.text} · ${say(clock.state)}`, !["TRUSTED", "BOUNDED"].includes(clock.state));
    else bar("clock", "–", false);
  }

  at("language").addEventListener("click", () => {
    language = language === "vi" ? "en" : "vi";
    history.replaceState(null, "", "#" + language);
    panel.close();
    show(false);
  });
  at("why").addEventListener("click", () => panel.why(facts));
  at("journey").addEventListener("click", () => panel.journey(facts));
  at("none").addEventListener("click", () => panel.post("/no-certificate", facts));
  at("next").addEventListener("click", () => {
    panel.close();
    panel.post("/next", facts);
  });
  at("name").addEventListener("click", () => {
    const holder = facts && (facts.holder || (facts.last && facts.last.holder));
    if (holder && holder.full_name) panel.wholeName(holder.full_name, facts);
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
