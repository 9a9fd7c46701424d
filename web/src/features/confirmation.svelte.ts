// That it is really this person, where the server wants to be sure: by password, or on a page of the server's own.

import type { Client } from "../matrix/client";
import { loginFlows } from "../matrix/auth/login";
import { BY_PASSWORD, BY_SSO, Cancelled, ELSEWHERE, fallbackUrl, type Answer, type Asked, type Stage } from "../matrix/auth/uia";
import { t } from "../ui/words.svelte";

/** A page of the server's own on which something is to be done. */
export interface OwnPage {
  url: string;
  /** It was said to be done, and the server does not know of it. */
  isUndone: boolean;
  done: () => void;
  giveUp: () => void;
}

export class Confirmation implements Asked {
  password = $state("");
  /** How people log in at this server. */
  ways = $state.raw({ password: true, elsewhere: false });
  /** What is to be done now; then it goes on. */
  page = $state.raw<OwnPage>();

  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  get supported(): readonly string[] {
    return this.password === "" ? BY_SSO : BY_PASSWORD;
  }

  /** Whether a password is to be asked for at all. */
  async load(): Promise<void> {
    const { password, sso } = await loginFlows(this.#client.api.http);
    this.ways = { password, elsewhere: sso.length > 0 };
  }

  /** Begins anew. */
  clear(): void {
    this.password = "";
    this.#wasSent = false;
    this.page?.giveUp();
  }

  readonly ask = async (stage: Stage, error: string | undefined): Promise<Answer> => {
    if (stage.type === "m.login.dummy" && error === undefined) return {};
    if (stage.type !== "m.login.password") return this.#send(stage, error !== undefined);
    // Asked again, it was wrong.
    const user = this.#client.me;
    const isGiven = error === undefined && this.password !== "";
    return isGiven ? { identifier: { type: "m.id.user", user }, password: this.password } : undefined;
  };

  /** The words for what went wrong. */
  readonly said = (failure: unknown, otherwise: (failure: unknown) => string): string => {
    if (!(failure instanceof Cancelled)) return otherwise(failure);
    return this.#wasSent ? t.confirmGivenUp : t.confirmWrong;
  };

  /** Something was to be done elsewhere. */
  #wasSent = false;

  #send(stage: Stage, isUndone: boolean): Promise<Answer> {
    this.#wasSent = true;
    return new Promise<Answer>((resolve) => {
      this.page = {
        url: fallbackUrl(this.#client.session.baseUrl, stage),
        isUndone,
        done: () => resolve(ELSEWHERE),
        giveUp: () => resolve(undefined),
      };
    }).finally(() => (this.page = undefined));
  }
}
