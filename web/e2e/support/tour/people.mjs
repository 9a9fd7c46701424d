// Who comes for the first time, and who meets whom.
import { Person } from "../person.mjs";
import { WIDE } from "./steps.mjs";

export async function strangers(server, look) {
  const visitor = await Person.open(server, { viewport: WIDE });
  const { page } = visitor;
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await look(page, "login");
  await page.getByRole("button", { name: "another server" }).click();
  await page.getByRole("textbox", { name: "Server" }).waitFor();
  await look(page, "login-server");
  await otherwise(server, visitor, look);
  await page.reload();
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Password again").waitFor();
  await look(page, "register");
  await page.getByLabel("Name").fill("lena");
  await page.getByLabel("Password", { exact: true }).fill("short");
  await page.getByLabel("Password again").fill("different");
  const create = page.getByRole("button", { name: "Create an account" });
  await create.click();
  await page.getByText("The two are not the same.").waitFor();
  await look(page, "register-errors");
  for (const label of ["Password", "Password again"]) await page.getByLabel(label, { exact: true }).fill("correct horse battery");
  const policies = { privacy: { version: "1", en: { name: "Privacy policy", url: "https://garden.example/privacy" } } };
  const stages = { "register-code": "m.login.registration_token", "register-terms": "m.login.terms", "register-page": "org.garden.oath" };
  for (const [name, stage] of Object.entries(stages)) {
    const end = server.proxy.tamper(({ path }, told, status) => {
      if (path.endsWith("/register") && status === 401) return { ...told, flows: [{ stages: [stage] }], params: { [stage]: { policies } } };
    });
    await create.click();
    await page.getByRole("button", { name: "Cancel" }).waitFor();
    await look(page, name);
    await page.getByRole("button", { name: "Cancel" }).click();
    await create.waitFor();
    end();
    for (const label of ["Password", "Password again"]) await page.getByLabel(label, { exact: true }).fill("correct horse battery");
    await page.getByLabel("Name").fill("lena");
  }
  await visitor.close();
}

/** Servers that let people in by other ways, or not at all. */
async function otherwise(server, { page, context }, look) {
  const sso = { type: "m.login.sso", identity_providers: [{ id: "club", name: "Garden club" }, { id: "library", name: "Village library" }] };
  const ways = { "login-sso": (flows) => [...flows, sso], "login-no-way": () => [{ type: "m.login.oath" }] };
  for (const [name, change] of Object.entries(ways)) {
    const end = server.proxy.tamper(({ method, path }, told) => {
      if (method === "GET" && path.endsWith("/v3/login")) return { flows: change(told.flows) };
    });
    await page.reload();
    await page.getByText(name === "login-sso" ? "Garden club" : "by a way that this client does not have").waitFor();
    await look(page, name);
    end();
  }
  await context.route("**/_matrix/client/versions", (route) => route.abort());
  await page.reload();
  await page.getByRole("alert").waitFor();
  await look(page, "login-silent");
  await context.unroute("**/_matrix/client/versions");
}

/** Three people who find each other. */
export async function neighbours(servers, look) {
  const lena = await Person.fillRegistration(servers[0], "lena", { viewport: WIDE });
  const { page } = lena;
  const dialog = page.getByRole("dialog");
  await dialog.locator("code").filter({ hasText: /\S/ }).waitFor();
  await look(page, "recovery-first");
  await dialog.getByRole("button", { name: "Later" }).click();
  await page.getByText("Your recovery key is not saved yet.").waitFor();
  await look(page, "empty");
  await lena.saveKey();
  const tomasz = await Person.register(servers[1], "tomasz", { viewport: WIDE });
  const klara = await Person.register(servers[0], "klara", { viewport: WIDE });
  await lena.setName("Lena Vogt");
  await tomasz.setName("Tomasz Wilk");
  await klara.setName("Klara Nowak");
  await lena.startRoom("Garden house", "Roof, gutters, paint");
  await lena.invite(tomasz);
  await tomasz.page.getByText("invites you").first().waitFor();
  await tomasz.page.getByRole("navigation").getByRole("button", { name: /Garden house/ }).first().click();
  await tomasz.page.getByRole("button", { name: "Accept" }).waitFor();
  await look(tomasz.page, "invitation");
  await tomasz.accept(/Garden house/);
  await lena.startChat(tomasz);
  await lena.say("Have you seen the invitation?");
  await tomasz.accept(/Lena Vogt/);
  await tomasz.reads("Have you seen the invitation?");
  await tomasz.say("Just now. Sounds good, see you there!");
  await lena.reads("Just now. Sounds good, see you there!");
  return { servers, lena, tomasz, klara, page };
}
