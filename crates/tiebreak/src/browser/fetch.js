// Sends one request from within the page. Answers with `unsent` only where nothing was sent for certain.
const [method, url, fields, content, keep, redirect] = arguments;
const done = arguments[arguments.length - 1];
let request;
try {
  if (location.origin !== new URL(url).origin) throw new Error("the page is elsewhere");
  const body = content === null ? undefined : Uint8Array.from(atob(content), c => c.charCodeAt(0));
  request = new Request(url, {
    method, headers: new Headers(fields), body, redirect, credentials: "same-origin", cache: "no-store",
  });
} catch (error) {
  done({ unsent: String(error) });
  return;
}
(async () => {
  const answer = await fetch(request);
  if (answer.type === "opaqueredirect") return { redirected: true };
  let text = "", size = 0, complete = true;
  if (answer.body) {
    try {
      const reader = answer.body.getReader();
      for (;;) {
        const part = await reader.read();
        if (part.done) break;
        const room = part.value.subarray(0, keep - size);
        for (let at = 0; at < room.length; at += 8192) text += String.fromCharCode(...room.subarray(at, at + 8192));
        size += room.length;
        if (room.length < part.value.length) {
          complete = false;
          await reader.cancel();
          break;
        }
      }
    } catch {
      complete = false;
    }
  }
  return { status: answer.status, fields: [...answer.headers], content: btoa(text), complete };
})().then(done, error => done({ lost: String(error) }));
