import type { JsonObject } from "../json";

/** What came of opening a sealed event. */
export type Opened =
  | {
      status: "read";
      type: string;
      content: JsonObject;
      isVerified: boolean;
      /** Somebody else shared the key: the author is not proven. */
      sharedBy: string | undefined;
      isProven: boolean;
      /** Readers that nobody vouched for. */
      warnings: { userId: string; deviceId: string }[];
      /** The hash of its readers; what was stored by earlier versions does not say. */
      audience?: string | undefined;
      /** The list of its readers should be known and is not: nobody can be warned of. */
      areReadersUnknown?: boolean | undefined;
      /** What stands in it about another message is not about the one that its author meant. */
      isRelationWrong: boolean;
      /** What it is about was not read yet: the message that its author meant, `null` for one that is not sealed. */
      means?: string | null;
      /** Of the message itself; those that an earlier version kept have none. */
      messageId?: string;
    }
  | { status: "missing_key" | "not_vouched_for" | "removed" | "refused" | "foreign" | "duplicate" };

/** May be readable later: tried again when keys come. */
export function isPending(opened: Opened | undefined): boolean {
  return opened?.status === "missing_key" || opened?.status === "not_vouched_for";
}
