import { expect, test } from "vitest";

import { download, isMediaUri, thumbnail } from "./media";

test("an address of media leads to media of the homeserver, and nowhere else", () => {
  expect(download("mxc://a.example:8448/Ab_-1")).toBe("/_matrix/client/v1/media/download/a.example%3A8448/Ab_-1");
  for (const uri of ["mxc://../config", "mxc://./x", "mxc://a/../x", "mxc://a/x?y", "https://a.example/x", "mxc:///x"]) {
    expect(isMediaUri(uri)).toBe(false);
    expect(() => download(uri)).toThrow();
    expect(thumbnail(uri, 8)).toBeUndefined();
  }
});
