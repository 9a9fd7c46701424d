// What the server can do, and lets this user do.

import { object, type JsonObject } from "../json";
import type { Http } from "./http";

export async function capability(http: Http, name: string): Promise<JsonObject | undefined> {
  const answer = await http.call("GET", "/_matrix/client/v3/capabilities");
  return object(object(answer["capabilities"])?.[name]);
}
