import { number, object, text, type JsonObject } from "../json";

/** A homeserver refused a request. */
export class MatrixError extends Error {
  readonly status: number;
  /** `M_FORBIDDEN` and so on; `M_UNKNOWN` when the answer names none. */
  readonly errcode: string;
  /** When it may be tried again, if the server says so. */
  readonly retryAfterMs: number | undefined;
  readonly body: JsonObject;

  constructor(status: number, body: JsonObject, retryAfter?: string | null) {
    super(text(body["error"]) ?? `HTTP ${status}`);
    this.name = "MatrixError";
    this.status = status;
    this.errcode = text(body["errcode"]) ?? "M_UNKNOWN";
    this.body = body;
    const seconds = retryAfter ? Number(retryAfter) : NaN;
    const inBody = number(body["retry_after_ms"]);
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : inBody;
  }

  /** The session is over. With another status the code may be what another server said of something else. */
  get isUnknownToken(): boolean {
    return this.status === 401 && this.errcode === "M_UNKNOWN_TOKEN";
  }

  /** The keys and the device of the session stay: only a new token is wanted. */
  get isSoftLogout(): boolean {
    return this.isUnknownToken && this.body["soft_logout"] === true;
  }

  /** The same request may succeed later. */
  get isTemporary(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

/** No homeserver answered: the network, the server, or something in between. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("the server did not answer", { cause });
    this.name = "Unreachable";
  }
}

/** A failure that is not this client's: a server that refused, or none that answered. */
export function isOutside(error: unknown): error is MatrixError | Unreachable {
  return error instanceof MatrixError || error instanceof Unreachable;
}

/** The server refused for good, and the session goes on. */
export function isRefusal(error: unknown): error is MatrixError {
  return error instanceof MatrixError && !error.isTemporary && !error.isUnknownToken;
}

/** What was asked for; `undefined` when the server does not have it. */
export async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MatrixError && error.status === 404) return undefined;
    throw error;
  }
}

/** What an answer with an error status says; anything but a Matrix error becomes one without a code. */
export async function errorOf(response: Response): Promise<MatrixError> {
  const body = object(await response.json().catch(() => undefined)) ?? {};
  return new MatrixError(response.status, body, response.headers.get("retry-after"));
}
