import { discover, type Discovery, type Fetch } from "../../matrix/discovery";

const PATIENCE_MS = 10_000;

/** The server that this page came from: asked once, and again when the person wants it. */
export class Server {
  found = $state.raw<Discovery>();
  /** Asked and not answered yet. */
  asking = $state(false);
  /** The last question got no answer that a homeserver gives. */
  failed = $state(false);

  readonly #origin: string;
  readonly #fetch: Fetch;

  constructor(origin: string, fetch: Fetch) {
    this.#origin = origin;
    this.#fetch = fetch;
  }

  async load(): Promise<void> {
    this.asking = true;
    try {
      this.found = await discover(this.#origin, this.#fetch, AbortSignal.timeout(PATIENCE_MS));
      this.failed = false;
    } catch {
      this.failed = true;
    } finally {
      this.asking = false;
    }
  }
}
