// German verbs after a name, or after "Du".

const verb = (du: string, other: string) => (who: string) => `${who} ${who === "Du" ? du : other}`;

export const has = verb("hast", "hat");
export const is = verb("bist", "ist");
export const lets = verb("lässt", "lässt");
export const isCalled = verb("heißt", "heißt");
export const asks = verb("bittest", "bittet");
