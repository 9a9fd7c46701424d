// JSON from elsewhere: nothing of its shape is believed before it was looked at.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function object(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}

export function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function list(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

/** Whether a value is nested deeper than so many levels. */
export function isDeeper(value: Json, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((one) => isDeeper(one, levels - 1));
}

/** Those of a list that are objects. */
export function objects(value: unknown): JsonObject[] {
  return list(value).map(object).filter((entry) => entry !== undefined);
}

/** Those of a list that are strings. */
export function strings(value: unknown): string[] {
  return list(value).filter((entry) => typeof entry === "string");
}
