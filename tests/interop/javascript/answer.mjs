// What the JavaScript SDK makes of messages, and what it writes: a question a line in, an answer a line out.
//
//   {"read": {"headers": {name: value}, "body": base64}}              an HTTP message, values in Latin-1
//     -> {"attributes": {...}, "data": DATA}  or  {"refused": words, "by": "toEvent" | "validate"}
//   {"write": {"attributes": {...}, "data": DATA}, "mode": "binary"}  an event for the SDK's API; data may be left out
//     -> {"headers": {...}, "body": base64}   or  {"refused": words, "by": "CloudEvent" | "emit"}
//
// DATA is {"json": value}, {"text": string} or {"base64": bytes}; left out where there is none.
//
// Each question goes through a server on loopback: a message is read there from a real request, and an event is sent
// there by the SDK's own transport. The clock stands still, and what the SDK invents is marked, so that the same
// questions get the same answers.

import http from "node:http";
import { createInterface } from "node:readline";
import { CloudEvent, HTTP, emitterFor, httpTransport } from "cloudevents";

process.env.TZ = "UTC";
const CLOCK = "2000-01-01T00:00:00.000Z";
const INVENTED = "(invented)";
const WORDS_MAX = 120; // of an error: its first line says what is wrong

const SystemDate = Date;
globalThis.Date = class extends SystemDate {
  constructor(...given) {
    super(...(given.length ? given : [CLOCK]));
  }
  static now() {
    return SystemDate.parse(CLOCK);
  }
};

const refusal = (error, by) => ({ refused: String(error?.message ?? error).split("\n")[0].slice(0, WORDS_MAX), by });

function attributesOf(event, asked) {
  const { data, data_base64, ...attributes } = event;
  if (attributes.time === CLOCK) attributes.time = INVENTED;
  if (!asked.includes(attributes.id)) attributes.id = INVENTED;
  return attributes;
}

function dataOf({ data }) {
  if (data === undefined) return undefined;
  if (ArrayBuffer.isView(data)) return { base64: Buffer.from(data).toString("base64") };
  return typeof data === "string" ? { text: data } : { json: data };
}

// As a server hands a message over: structured mode, JSON and text as a string, other bodies as bytes, none as none.
function bodyOf(type, bytes) {
  if (bytes.length === 0) return undefined;
  return /json|^text\/|^application\/cloudevents/i.test(type ?? "") ? bytes.toString("utf8") : bytes;
}

function read(headers, bytes) {
  const asked = JSON.stringify(headers) + bytes.toString("utf8");
  let event;
  try {
    event = HTTP.toEvent({ headers, body: bodyOf(headers["content-type"], bytes) });
  } catch (error) {
    return refusal(error, "toEvent");
  }
  try {
    if (!event.validate()) return refusal("validate() is false", "validate");
  } catch (error) {
    return refusal(error, "validate");
  }
  return { attributes: attributesOf(event, asked), data: dataOf(event) };
}

function received(rawHeaders, bytes) {
  const headers = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i].toLowerCase();
    if (name.startsWith("ce-") || name === "content-type") headers[name] = rawHeaders[i + 1];
  }
  return { headers, body: bytes.toString("base64") };
}

// JSON.stringify would write null.
const withInfinity = (_, value) => (value === Infinity || value === -Infinity ? String(value) : value);

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const answer = request.url === "/read" ? read(request.headers, bytes) : received(request.rawHeaders, bytes);
  response.end(JSON.stringify(answer, withInfinity));
});

function ask({ headers, body }) {
  return new Promise((resolve, reject) => {
    const options = { port: server.address().port, path: "/read", method: "POST", headers };
    const request = http.request(options, async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      resolve(JSON.parse(text));
    });
    request.on("error", reject).end(Buffer.from(body, "base64"));
  });
}

function valueOf(data) {
  if (data === undefined) return {};
  if (data.base64 !== undefined) return { data: Buffer.from(data.base64, "base64") };
  return { data: data.text ?? data.json };
}

async function write({ attributes, data }, mode) {
  let event;
  try {
    event = new CloudEvent({ ...attributes, ...valueOf(data) });
  } catch (error) {
    return refusal(error, "CloudEvent");
  }
  try {
    const emit = emitterFor(httpTransport(`http://127.0.0.1:${server.address().port}/write`), { mode });
    return JSON.parse((await emit(event)).body);
  } catch (error) {
    return refusal(error, "emit");
  }
}

await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const answer = question.read ? await ask(question.read) : await write(question.write, question.mode);
  process.stdout.write(JSON.stringify(answer) + "\n");
}
server.close();
server.closeAllConnections();
