import { expect, test } from "vitest";

import { placeContent, placeOf, roughly } from "./place";

const here = { latitude: 52.5200066, longitude: -13.404954, accuracy: 12.2, description: "By the pond" };

test("a place that is sent is the one that is read, to a tenth of a metre", () => {
  const content = placeContent(here, 5);
  expect(content).toMatchObject({
    msgtype: "m.location",
    body: "By the pond",
    geo_uri: "geo:52.520007,-13.404954;u=13",
    "org.matrix.msc3488.location": { uri: "geo:52.520007,-13.404954;u=13", description: "By the pond" },
    "org.matrix.msc3488.asset": { type: "m.self" },
    "org.matrix.msc3488.ts": 5,
  });
  expect(placeOf(content)).toEqual({ ...here, latitude: 52.520007, accuracy: 13 });
  expect(placeOf(placeContent({ ...here, description: undefined }, 5))?.description).toBeUndefined();
});

test("a place told roughly says no more than that", () => {
  expect(placeContent(roughly({ ...here, description: undefined }), 5)["geo_uri"]).toBe("geo:52.52,-13.4;u=1000");
});

test("what other clients send is read; what is no place on the earth is not", () => {
  expect(placeOf({ body: "Big Ben", geo_uri: "geo:51.5008,0.1247" })).toMatchObject({ latitude: 51.5008, description: "Big Ben" });
  expect(placeOf({ body: "x", geo_uri: "geo:1,2", "m.location": { uri: "geo:48.2,16.3,183;crs=wgs84;u=40" } })).toMatchObject({
    latitude: 48.2, longitude: 16.3, accuracy: 40,
  });
  for (const uri of ["", "geo:", "geo:91,0", "geo:0,181", "geo:1.2.3,4", "https://a/1,2", "geo:1,2;crs=moon", "geo:1,2\njavascript:"]) {
    expect(placeOf({ body: "x", geo_uri: uri })).toBeUndefined();
  }
});
