// Addresses of scripts, as Trusted Types want them.

interface Policy {
  createScriptURL(url: string): unknown;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy;
}

const trustedTypes = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
const policy = trustedTypes?.createPolicy("sealpost", {
  // Scripts of this page alone.
  createScriptURL: (url) => {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError("foreign script");
    return url;
  },
});

export function trusted(url: string): string {
  return (policy?.createScriptURL(url) ?? url) as string;
}
