// Where somebody is: `m.location`, with what MSC3488 adds, which is preferred where it is there.

import { number, object, text, type JsonObject } from "../json";

export interface Place {
  /** In degrees, north and east. */
  latitude: number;
  longitude: number;
  /** Within so many metres. */
  accuracy: number | undefined;
  description: string | undefined;
}

/** RFC 5870: latitude, longitude, perhaps altitude, and parameters. */
const GEO = /^geo:(-?\d{1,3}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)(?:,-?\d+(?:\.\d+)?)?((?:;[^;]*)*)$/i;
const LONGEST_DESCRIPTION = 500;

/** So much as is worth it: 0.1 m. */
const DIGITS = 6;

export function placeOf(content: JsonObject): Place | undefined {
  const location = object(content["org.matrix.msc3488.location"]) ?? object(content["m.location"]);
  const at = parsed(text(location?.["uri"]) ?? text(content["geo_uri"]) ?? "");
  if (!at) return undefined;
  const words = text(location?.["description"]) ?? text(content["org.matrix.msc1767.text"]) ?? text(content["body"]) ?? "";
  // Where nobody described it, other clients say where it is once more.
  const description = words.includes("geo:") ? "" : words.trim().slice(0, LONGEST_DESCRIPTION);
  return { ...at, description: description || undefined };
}

function parsed(uri: string): Omit<Place, "description"> | undefined {
  const [, north = "", east = "", rest = ""] = GEO.exec(uri) ?? [];
  const [latitude, longitude] = [Number(north), Number(east)];
  if (!north || Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  const parameters = rest.toLowerCase().split(";").map((one) => one.split("="));
  const value = (name: string) => parameters.find(([key]) => key === name)?.[1];
  // Other ways to count are not those of a map here.
  if (!["wgs84", undefined].includes(value("crs"))) return undefined;
  const accuracy = number(Number(value("u") ?? NaN));
  return { latitude, longitude, accuracy: accuracy !== undefined && accuracy > 0 ? accuracy : undefined };
}

export function geoUri({ latitude, longitude, accuracy }: Place): string {
  const degrees = (value: number) => String(Number(value.toFixed(DIGITS)));
  return `geo:${degrees(latitude)},${degrees(longitude)}${accuracy === undefined ? "" : `;u=${Math.ceil(accuracy)}`}`;
}

/** The content of a message that says where its sender was at a time. */
export function placeContent(place: Place, ts: number): JsonObject {
  const uri = geoUri(place);
  const body = place.description ?? uri;
  return {
    msgtype: "m.location",
    body,
    geo_uri: uri,
    "org.matrix.msc1767.text": body,
    "org.matrix.msc3488.location": { uri, ...(place.description && { description: place.description }) },
    "org.matrix.msc3488.asset": { type: "m.self" },
    "org.matrix.msc3488.ts": ts,
    "m.mentions": {},
  };
}

/** A degree of latitude has 111 km: as much as two digits after the point are worth. */
const ROUGH_METRES = 1000;

/** The same place, within a kilometre or so. */
export function roughly(place: Place): Place {
  const rounded = (value: number) => Number(value.toFixed(2));
  const accuracy = Math.max(place.accuracy ?? 0, ROUGH_METRES);
  return { ...place, latitude: rounded(place.latitude), longitude: rounded(place.longitude), accuracy };
}
