// The operators' console. Everything that comes from keys is put into the page as text, never as markup.

const EVERY_MILLISECONDS = 5000;
const PATIENCE_MILLISECONDS = 20_000;

// What reorders or hides text is shown by its number: a key's text must not look like another one.
const INVISIBLE =
    /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u2028\u2029\u2800\ufff9-\ufffb]/gu;

const LISTS = {
  quarantined: {
    title: 'Quarantined keys',
    means: 'Nobody goes on with these requests until somebody decides. The longest quarantined first.',
    empty: 'No key is in quarantine: no request waits for an operator’s decision.',
    emptyScope: 'No key of this scope is in quarantine.',
    counted: (backlog) => backlog.quarantined,
  },
  unfinished: {
    title: 'Unfinished keys',
    means: 'These requests wait for their client or for the completer, the longest waiting first. Behind them are those '
        + 'that rest or that a worker holds.',
    empty: 'No request is under way, and none waits.',
    emptyScope: 'No request of this scope is under way, and none waits.',
    counted: (backlog) => backlog.waiting,
  },
};

const ACTIONS = {
  retry: {
    title: 'Retry this request?',
    means: 'It goes on at its recovery point, with its attempts counted anew. What it has committed stays.',
    submit: 'Retry',
    done: 'Done: the request goes on at its recovery point as soon as its client or the completer takes it.',
  },
  finish: {
    title: 'Finish this request with a response?',
    means: 'Every retry gets this response. No further stage runs, and what was committed stays. Nobody can undo it.',
    submit: 'Finish',
    done: 'Done: every retry gets your response from now on.',
  },
  discard: {
    title: 'Discard this request?',
    means: 'Its key counts as absent, so the same request would run anew from its beginning. What it has committed stays. '
        + 'Nobody can undo it.',
    submit: 'Discard',
    done: 'Done: the key counts as absent from now on.',
  },
};

// What became of the compare-and-set, by the library's kind of refusal.
const REFUSALS = {
  'locked': 'Not done: a worker took the request meanwhile and is at it. Look again when it is through.',
  'stale-key': 'Not done: the request has changed since you looked at it.',
  'already-finished': 'Not done: the request got its response meanwhile.',
  'not-found': 'Not done: the key is gone. It has expired, or somebody discarded it.',
  'signed-out': 'Not done: you aren’t signed in any more.',
  'outcome-unknown': 'It isn’t known whether it was done, because the store’s answer was lost. Look at the key again.',
  'store-unavailable': 'Not done: the store doesn’t answer.',
  'may-not-act': 'Not done: you may look, but not act.',
  'other-session': 'Not done: you are signed in as somebody else now, or your session has ended. Load the page again.',
};

// Refusals after which the operator can change what was typed, or send it again.
const MENDABLE = new Set(['invalid-request', 'response-too-large', 'too-long', 'store-unavailable']);

const byId = (id) => document.getElementById(id);

const dialog = byId('confirm');
const form = byId('confirm-form');

let session = null;
let view = { list: 'quarantined', scope: null, trail: [], key: null };
let storeTime = null;
let shownList = '';
let shownKey = '';
let shownOperations = '';
let nextPage = null;
let current = null;
let timer = 0;
let paused = false;
let generation = 0;

// --- Asking the server ---

class Refusal extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// Tells the console's own answers from those of whatever stands before it: a log-in page, a framework, a gateway.
async function answerOf(response) {
  if (response.type === 'opaqueredirect') {
    throw new Refusal('signed-out', 'You aren’t signed in any more. Load the page again.');
  }
  const isJson = (response.headers.get('Content-Type') ?? '').startsWith('application/json');
  const answer = isJson ? await response.json() : null;
  if (response.ok && isJson) {
    return answer;
  }
  if (typeof answer?.error === 'string' && typeof answer.message === 'string') {
    throw new Refusal(answer.error, answer.message);
  }
  if (response.status === 401 || response.status === 403) {
    throw new Refusal('other-session', `The server refused the request (${response.status}). If it stays so, load the `
        + 'page again.');
  }
  throw new Error(`the server answered ${response.status}`);
}

// Without the name and the password that an address may have, with which nothing is fetched.
function addressOf(what) {
  const address = new URL(`api/${what}`, location.href);
  address.username = '';
  address.password = '';
  return address;
}

async function send(what, options) {
  return answerOf(await fetch(addressOf(what), {
    redirect: 'manual',
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
    ...options,
  }));
}

async function startSession() {
  session = await send('session', {});
  byId('user').textContent = `Signed in as ${visible(session.user)}${session.mayAct ? '' : ', who may look, but not act'}`;
}

// Nothing about keys stands in an address: logs have those.
async function ask(what, body) {
  return send(what, {
    method: 'POST',
    headers: { ...session.headers, 'Content-Type': 'application/json', 'Idempotency-Console': session.token },
    body: JSON.stringify(body),
  });
}

// --- Text ---

function visible(text) {
  return String(text).replace(INVISIBLE, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);
}

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (property in made) {
      made[property] = value;
    } else {
      made.setAttribute(property, value);
    }
  }
  made.append(...children);
  return made;
}

function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) {
    return '0 s';
  }
  const [unit, size] = units[first];
  const rest = seconds % size;
  const next = units[first + 1];
  const more = next && Math.floor(rest / next[1]) > 0 ? ` ${Math.floor(rest / next[1])} ${next[0]}` : '';
  return `${Math.floor(seconds / size)} ${unit}${more}`;
}

const ago = (instant) => duration(Date.parse(storeTime) - Date.parse(instant));
const until = (instant) => duration(Date.parse(instant) - Date.parse(storeTime));
const isOver = (instant) => Date.parse(instant) <= Date.parse(storeTime);

// In the viewer's zone, and the exact instant on hover.
function time(instant) {
  return element('time', { dateTime: instant, title: instant },
      new Date(instant).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' }));
}

function waitingSince(key) {
  switch (key.state) {
    case 'quarantined': return key.quarantinedSince;
    case 'open': return isOver(key.resumableFrom) ? key.resumableFrom : key.updatedAt;
    case 'locked': return isOver(key.leaseEnds) ? key.leaseEnds : key.lockedAt;
    case 'finished': return key.finishedAt;
    default: return key.updatedAt;
  }
}

function stateInWords(key) {
  switch (key.state) {
    case 'quarantined': return 'quarantined';
    case 'open': return isOver(key.resumableFrom) ? 'waiting' : `rests for ${until(key.resumableFrom)}`;
    case 'locked': return isOver(key.leaseEnds) ? 'its worker is gone' : 'a worker is at it';
    case 'failed': return 'left to its client';
    case 'finished': return 'finished';
    default: return key.state;
  }
}

function situation(key) {
  switch (key.state) {
    case 'quarantined':
      return `In quarantine for ${ago(key.quarantinedSince)} (${visible(key.reason)}). Nobody goes on with it until you `
          + 'or another operator decides.';
    case 'open':
      return isOver(key.resumableFrom)
          ? `Nobody has worked on it for ${ago(key.resumableFrom)}. Its client or the completer takes it next; if it `
              + 'stays for long, no completer that runs knows its operation.'
          : `It rests for ${until(key.resumableFrom)} before the completer tries again. Its client may come back at any `
              + 'time.';
    case 'locked':
      return isOver(key.leaseEnds)
          ? `Its worker is gone: the lease ran out ${ago(key.leaseEnds)} ago. The next attempt takes it over.`
          : `A worker has been at it for ${ago(key.lockedAt)}, and holds it for another ${until(key.leaseEnds)} unless `
              + 'it renews the lease.';
    case 'failed':
      return 'It failed, and its client was told so. Only that client brings it on; without it the key is removed in '
          + `${until(key.expiresAt)}.`;
    case 'finished':
      return isOver(key.expiresAt)
          ? 'It has its response, and has expired.'
          : `It has its response, which retries get for another ${until(key.expiresAt)}.`;
    default:
      return '';
  }
}

function whyNot(key) {
  if (!session.mayAct) {
    return 'You may look, but not act.';
  }
  if (key.state === 'finished') {
    return 'There is nothing to do: the request has its response.';
  }
  if (key.state === 'locked' && !isOver(key.leaseEnds)) {
    return 'Nothing can be done while a worker holds the key.';
  }
  return '';
}

// --- Showing ---

function put(id, text) {
  const shown = byId(id);
  // The same text isn't announced again and again.
  if (shown.textContent !== text) {
    shown.textContent = text;
  }
  // What is announced stays in the page while it is empty, or nobody hears of it.
  shown.hidden = text === '' && !shown.hasAttribute('role');
}

function card(name, count, means, isAlarm) {
  const shown = byId(`card-${name}`);
  shown.classList.toggle('alarm', isAlarm);
  shown.querySelector('.count').textContent = count;
  shown.querySelector('.means').replaceChildren(...means);
}

function showBacklog(backlog) {
  storeTime = backlog.at;
  const counted = (count) => (count < backlog.most ? '' : 'at least ') + count.toLocaleString();
  card('quarantined', counted(backlog.quarantined),
      [backlog.quarantined > 0 ? 'They wait for an operator' : 'Nothing waits for an operator',
        ...(backlog.quarantinedSince ? [', the first since ', time(backlog.quarantinedSince)] : []), '.'],
      backlog.quarantined > 0);
  card('waiting', counted(backlog.waiting),
      [backlog.waiting > 0 ? 'Nobody works on them at the moment.' : 'Every unfinished request is being worked on, or rests.'],
      false);
  if (backlog.waitingSince) {
    card('longest', ago(backlog.waitingSince), ['Since ', time(backlog.waitingSince)],
        Date.parse(backlog.at) - Date.parse(backlog.waitingSince) > 600_000);
  } else {
    card('longest', 'none', ['No request waits.'], false);
  }
  showOperations(backlog.operations);
  put('part', Math.max(backlog.quarantined, backlog.waiting) < backlog.most ? ''
      : `At most the ${backlog.most.toLocaleString()} keys of each kind are counted that have waited longest.`);
}

function showOperations(operations) {
  byId('operations').hidden = operations.length === 0;
  const text = JSON.stringify(operations);
  if (text !== shownOperations) {
    shownOperations = text;
    // A row that was edited by hand may have no date.
    const waits = (label, count, since) => cell(label, count === 0 ? 'none' : count.toLocaleString(),
        ...(since ? [count === 1 ? ', for ' : ', the first for ',
          element('time', { className: 'ago', dateTime: since, title: since })] : []));
    byId('operations').tBodies[0].replaceChildren(...operations.map((each) => element('tr', { role: 'row' },
        cell('Operation', visible(each.operation || 'none')),
        waits('Quarantined', each.quarantined, each.quarantinedSince),
        waits('Waiting', each.waiting, each.waitingSince))));
  }
  for (const shown of byId('operations').querySelectorAll('.ago')) {
    shown.textContent = ago(shown.dateTime);
  }
}

const named = (key) => visible(key.value) + (key.scope === '' ? '' : ` in ${visible(key.scope)}`);

function cell(label, ...children) {
  const made = element('td', { role: 'cell' }, ...children);
  made.dataset.label = label;
  return made;
}

function row(key) {
  const link = element('button', { type: 'button', className: 'key' }, visible(key.value));
  link.dataset.key = JSON.stringify([key.scope, key.value]);
  link.addEventListener('click', () => openKey(key));
  const named = cell('Key', link);
  if (key.scope !== '') {
    named.append(element('span', { className: 'scope' }, `in ${visible(key.scope)}`));
  }
  const since = cell('Since', element('span', { className: 'ago' }, ago(waitingSince(key))), element('br'),
      time(waitingSince(key)));
  since.querySelector('.ago').dataset.since = waitingSince(key);
  const state = cell('State', element('span', { className: 'state' }, stateInWords(key)), ` at ${visible(key.recoveryPoint)}`);
  const failed = cell('Failed', key.failedAttempts.toLocaleString());
  failed.classList.add('number');
  const made = element('tr', { role: 'row' }, named, cell('Operation', visible(key.operation || 'none')), since, state,
      failed, cell('Last error', visible(key.lastError)));
  made.key = key;
  return made;
}

function emptyInWords(page, backlog) {
  const list = LISTS[view.list];
  if (page.keys.length > 0) {
    return '';
  }
  if (view.trail.length > 0) {
    return 'There are no further keys.';
  }
  if (view.scope !== null) {
    return list.emptyScope;
  }
  return list.counted(backlog) === 0 ? list.empty
      : 'Keys are counted above, but none can be listed. If this stays, this version of the library can’t read them.';
}

function showList(page, backlog) {
  const list = LISTS[view.list];
  const inScope = view.scope === null ? '' : ` in ${visible(view.scope)}`;
  byId('list-title').textContent = list.title + inScope;
  byId('list-means').textContent = list.means;
  document.title = `${list.title}${inScope} · Idempotency keys`;
  put('empty', emptyInWords(page, backlog));
  byId('previous').hidden = view.trail.length === 0;
  byId('next').hidden = !page.next;
  nextPage = page.next;
  const text = JSON.stringify(page);
  const body = byId('keys').tBodies[0];
  if (text === shownList) {
    // Rows stay as they are, for whoever is reading them.
    for (const shown of body.rows) {
      const since = waitingSince(shown.key);
      shown.querySelector('.ago').textContent = ago(since);
      const exactly = shown.querySelector('time');
      if (exactly.dateTime !== since) {
        exactly.replaceWith(time(since));
      }
      shown.querySelector('.state').textContent = stateInWords(shown.key);
    }
    return;
  }
  shownList = text;
  const focused = document.activeElement?.dataset?.key;
  body.replaceChildren(...page.keys.map(row));
  if (focused) {
    [...body.querySelectorAll('button.key')].find((link) => link.dataset.key === focused)?.focus();
  }
  byId('keys').hidden = page.keys.length === 0;
}

// What hasn't changed stays as it is, for whoever is reading, selecting or scrolling there.
function facts(id, source, pairs) {
  const text = JSON.stringify(source);
  if (byId(id).source === text) {
    return;
  }
  byId(id).source = text;
  byId(id).replaceChildren(...pairs()
      .filter(([, value]) => value !== undefined && value !== '')
      .flatMap(([name, value]) => [
        element('dt', {}, name),
        element('dd', {}, value instanceof Node ? value : visible(value)),
      ]));
}

const maybeTime = (instant) => instant === undefined ? undefined : time(instant);

function text(value, label) {
  return element('pre', { tabIndex: 0, 'aria-label': label }, visible(value));
}

const HIDDEN = 'not shown: you may not see values';

function showKey(key) {
  const focused = document.activeElement;
  current = key;
  byId('situation').textContent = situation(key);
  const reason = whyNot(key);
  put('why-not', reason);
  for (const button of document.querySelectorAll('[data-action]')) {
    button.disabled = reason !== '';
  }
  if (focused.disabled) {
    byId('key-title').focus();
  }
  const asText = JSON.stringify(key);
  if (asText === shownKey) {
    return;
  }
  shownKey = asText;
  byId('key-title').textContent = `Key ${visible(key.value)}`;
  document.title = 'A key · Idempotency keys';
  facts('facts', key, () => [
    ['Scope', key.scope === '' ? 'the empty one' : key.scope],
    ['Operation', key.operation || 'none'],
    ['State', key.state],
    ['Recovery point', key.recoveryPoint],
    ['Attempts', key.attempts.toLocaleString()],
    ['Failed since a commit', key.failedAttempts.toLocaleString()],
    ['Created', time(key.createdAt)],
    ['Last changed', time(key.updatedAt)],
    ['Resumable from', maybeTime(key.resumableFrom)],
    ['Locked', maybeTime(key.lockedAt)],
    ['Lease ends', maybeTime(key.leaseEnds)],
    ['In quarantine since', maybeTime(key.quarantinedSince)],
    ['Finished', maybeTime(key.finishedAt)],
    ['Expires', maybeTime(key.expiresAt)],
  ]);
  byId('error').textContent = visible(key.lastError) || 'none';
  facts('request', [key.scope, key.value, key.request], () => [
    ['Request', `${key.request.method} ${key.request.path}`],
    ['Stored', key.request.complete ? 'as it was sent' : 'in part, so only its client can bring it on'],
    ['Parameters', key.request.parameters === undefined ? HIDDEN : text(key.request.parameters, 'Parameters')],
  ]);
  byId('response-part').hidden = key.response === undefined;
  if (key.response) {
    facts('response', [key.scope, key.value, key.response], () => [
      ['Status', key.response.status],
      ['Length of its body', `${key.response.bodyLength.toLocaleString()} bytes`],
      ['Headers', key.response.headers === undefined ? HIDDEN
          : text(Object.entries(key.response.headers).map(([name, values]) => `${name}: ${values.join(', ')}`).join('\n') || 'none', 'Headers')],
      ['Body', key.response.body === undefined ? HIDDEN : text(key.response.body, 'Body')],
    ]);
  }
  byId('history-part').hidden = key.history === undefined;
  byId('history').replaceChildren(...(key.history ?? []).map((event) => element('li', {},
      time(event.at), `: ${visible(event.what)}${event.detail ? `, ${visible(event.detail)}` : ''} (at ${visible(event.recoveryPoint)}, attempt ${event.attempt})`)));
  byId('history-more').hidden = (key.history?.length ?? 0) < 200;
  if (key.history?.length === 0) {
    byId('history').append(element('li', {}, 'This server has seen nothing of it.'));
  }
}

// --- Going on ---

async function refresh() {
  clearTimeout(timer);
  const mine = ++generation;
  try {
    if (session === null) {
      await startSession();
    }
    const isKey = view.key !== null;
    byId('list').hidden = isKey;
    const [backlog, content] = await Promise.all([
      ask('backlog', {}),
      isKey ? ask('key', { scope: view.key.scope, value: view.key.value })
          : ask('keys', { state: view.list, ...(view.scope === null ? {} : { scope: view.scope }),
            ...(view.trail.length === 0 ? {} : { after: view.trail.at(-1) }) }),
    ]);
    if (mine !== generation) {
      return;
    }
    showBacklog(backlog);
    byId('key').hidden = !isKey;
    if (isKey) {
      showKey(content);
    } else {
      showList(content, backlog);
    }
    put('problem', '');
    byId('refreshed').replaceChildren('As of ', time(backlog.at));
  } catch (failure) {
    if (mine !== generation) {
      return;
    }
    if (failure.kind === 'other-session') {
      session = null;
    }
    if (view.key !== null && failure.kind === 'not-found') {
      current = null;
      byId('key').hidden = true;
      put('problem', `There is no such key in ${view.key.scope === '' ? 'the empty scope' : visible(view.key.scope)}, or it `
          + 'has expired. Scopes and keys are compared character by character.');
    } else {
      put('problem', failure instanceof Refusal ? visible(failure.message)
          : 'The server doesn’t answer. What you see may be out of date.');
    }
  } finally {
    if (mine === generation) {
      schedule();
    }
  }
}

// A page that nobody sees asks for nothing.
function schedule() {
  clearTimeout(timer);
  if (!paused && document.visibilityState === 'visible') {
    timer = setTimeout(() => dialog.open ? schedule() : refresh(), EVERY_MILLISECONDS);
  }
}

async function go(focus = 'list-title') {
  for (const list of Object.keys(LISTS)) {
    const link = byId(`to-${list}`);
    if (view.key === null && view.list === list) {
      link.setAttribute('aria-current', 'page');
    } else {
      link.removeAttribute('aria-current');
    }
  }
  shownList = '';
  shownKey = '';
  // Nothing can be done to a key that isn't the one asked for.
  current = null;
  nextPage = null;
  byId('key').hidden = true;
  await refresh();
  if (focus !== null) {
    byId(focus).focus();
  }
}

function openKey({ scope, value }) {
  put('result', '');
  view = { ...view, key: { scope, value } };
  // The key stands in the history's state, and not in the address.
  history.pushState(view, '', '#key');
  go('key-title');
}

function openList(list, scope) {
  put('result', '');
  view = { list, scope, trail: [], key: null };
  history.pushState(view, '', `#${list}`);
  go();
}

for (const list of Object.keys(LISTS)) {
  byId(`to-${list}`).addEventListener('click', (event) => {
    event.preventDefault();
    openList(list, view.scope);
  });
}

byId('back').addEventListener('click', (event) => {
  event.preventDefault();
  put('result', '');
  view = { ...view, key: null };
  history.pushState(view, '', `#${view.list}`);
  go();
});

document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('main').focus();
});

// Each page stands in the history's state, so that Back leads from a key to the page that it was on.
function turnTo(trail) {
  view = { ...view, trail };
  history.replaceState(view, '', `#${view.list}`);
  go();
}

byId('previous').addEventListener('click', () => turnTo(view.trail.slice(0, -1)));

byId('next').addEventListener('click', () => {
  // Not twice, before the page is there.
  if (nextPage) {
    turnTo([...view.trail, nextPage]);
  }
});

byId('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const { scope, value } = Object.fromEntries(new FormData(event.target));
  if (value.trim() !== '') {
    openKey({ scope: scope.trim(), value: value.trim() });
  } else {
    openList(view.list, scope.trim() === '' ? null : scope.trim());
  }
});

byId('clear').addEventListener('click', () => {
  byId('find').reset();
  openList(view.list, null);
});

byId('pause').addEventListener('click', (event) => {
  paused = !paused;
  event.target.setAttribute('aria-pressed', String(paused));
  if (paused) {
    clearTimeout(timer);
  } else {
    refresh();
  }
});

document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (document.visibilityState === 'visible' && !paused && !dialog.open) {
    refresh();
  }
});

addEventListener('popstate', (event) => {
  view = event.state ?? { list: location.hash === '#unfinished' ? 'unfinished' : 'quarantined', scope: null, trail: [], key: null };
  put('result', '');
  dialog.close();
  go(view.key === null ? 'list-title' : 'key-title');
});

// --- Acting ---

let acting = null;

for (const button of document.querySelectorAll('[data-action]')) {
  button.addEventListener('click', () => {
    const name = button.dataset.action;
    // What is decided on is the key as it is shown now.
    acting = { name, key: current, first: current.value.slice(0, session.confirmedBy) };
    form.reset();
    setSending(false);
    byId('confirm-title').textContent = ACTIONS[name].title;
    byId('confirm-key').textContent = named(current);
    byId('confirm-means').textContent = ACTIONS[name].means;
    byId('response-fields').hidden = name !== 'finish';
    byId('typed-label').replaceChildren('To confirm, type the key’s beginning, ', element('code', {}, acting.first));
    byId('do').textContent = ACTIONS[name].submit;
    put('typed-problem', '');
    dialog.showModal();
    form.elements[name === 'finish' ? 'status' : 'typed'].focus();
  });
}

byId('cancel').addEventListener('click', () => dialog.close());
dialog.addEventListener('cancel', (event) => {
  // What is under way can't be called back.
  if (byId('do').disabled) {
    event.preventDefault();
  }
});
dialog.addEventListener('close', schedule);

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { typed, status, contentType, body } = Object.fromEntries(new FormData(form));
  if (typed !== acting.first) {
    put('typed-problem', `That isn’t the key’s beginning, which is ${acting.first}.`);
    form.elements.typed.focus();
    return;
  }
  if (acting.name === 'finish' && !/^[2-5][0-9][0-9]$/.test(status)) {
    put('typed-problem', 'A status has three digits, 200 to 599.');
    form.elements.status.focus();
    return;
  }
  // By the answer's time this dialog may be closed, and another one open.
  const mine = acting;
  const { key, name } = mine;
  put('typed-problem', '');
  setSending(true);
  let failure = null;
  try {
    await ask(name, {
      scope: key.scope, value: key.value, creationId: key.creationId, updatedAt: key.updatedAt, typed,
      ...(name === 'finish' ? { status: Number(status), contentType, body } : {}),
    });
  } catch (thrown) {
    failure = thrown;
  }
  if (dialog.open && acting === mine) {
    setSending(false);
    if (name === 'finish' && MENDABLE.has(failure?.kind)) {
      // What was typed stays.
      put('typed-problem', `Not done: ${visible(failure.message)}`);
      form.elements.body.focus();
      return;
    }
    dialog.close();
  }
  const isShown = () => view.key !== null && view.key.scope === key.scope && view.key.value === key.value;
  if (name === 'discard' && failure === null && isShown()) {
    view = { ...view, key: null };
    history.replaceState(view, '', `#${view.list}`);
    await go();
  } else {
    await refresh();
  }
  byId('result').classList.toggle('refused', failure !== null);
  // Another key may be shown by now.
  const of = isShown() ? '' : `Key ${named(key)}. `;
  put('result', of + (failure === null ? ACTIONS[name].done : whyRefused(failure, isShown() ? current : null)));
});

function setSending(isSending) {
  byId('do').disabled = isSending;
  byId('cancel').disabled = isSending;
}

// The key is as it is shown now, or null if it isn't shown.
function whyRefused(failure, key) {
  if (!(failure instanceof Refusal)) {
    return 'It isn’t known whether it was done, because the server doesn’t answer. Look at the key again.';
  }
  const isStale = failure.kind === 'stale-key' && key !== null;
  const isHeld = isStale && key.state === 'locked' && !isOver(key.leaseEnds);
  const whatIsSeen = isStale && !isHeld ? ' It is shown here as it is now.' : '';
  return `${REFUSALS[isHeld ? 'locked' : failure.kind] ?? 'Not done.'}${whatIsSeen} (${visible(failure.message)})`;
}

view = history.state ?? { ...view, list: location.hash === '#unfinished' ? 'unfinished' : 'quarantined' };
history.replaceState(view, '', location.hash);
go(null);
