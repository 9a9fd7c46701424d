// A request whose way out is told in bytes: `fetch` says nothing of what it has sent.

import type { Fetch } from "../discovery";

/** So long may nothing move, on the way there or until the answer. */
const STALL_MS = 120_000;

/** Sends as `fetch` does; `onsent` hears how many bytes of the body are gone. */
export function sending(onsent: (bytes: number) => void): Fetch {
  return (url, { method = "GET", headers, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of new Headers(headers)) request.setRequestHeader(name, value);
      const fail = (reason: unknown) => {
        signal?.removeEventListener("abort", stop);
        clearTimeout(timer);
        reject(reason);
      };
      const stop = () => {
        request.abort();
        fail(signal?.reason);
      };
      const stall = () => {
        request.abort();
        fail(new TypeError("nothing moves"));
      };
      let timer = setTimeout(stall, STALL_MS);
      signal?.addEventListener("abort", stop, { once: true });
      request.upload.addEventListener("progress", ({ loaded }) => {
        clearTimeout(timer);
        timer = setTimeout(stall, STALL_MS);
        onsent(loaded);
      });
      request.addEventListener("error", () => fail(new TypeError("no connection")));
      request.addEventListener("load", () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
        const { status, responseText } = request;
        const kept: Record<string, string> = {};
        for (const name of ["content-type", "retry-after"]) {
          const value = request.getResponseHeader(name);
          if (value !== null) kept[name] = value;
        }
        resolve(new Response(responseText || null, { status, headers: kept }));
      });
      request.send(body as XMLHttpRequestBodyInit | null);
    });
}
