// What stands in a conversation, and what opens about it.
import { add, chooseOf, closeDialog, painted } from "./steps.mjs";

/** Everything that stands in a conversation. */
export async function conversation({ lena, tomasz, klara, page }, look) {
  await lena.choose("Garden house");
  await lena.say("The carpenter was here. **Roof is done**, gutters come on Thursday.");
  await lena.say("Here is the invoice, could someone check the second page?");
  await lena.attach("invoice-roof.pdf", Buffer.alloc(312_000, 7));
  await page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.choose("Garden house");
  await tomasz.page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.reply("Here is the invoice, could someone check the second page?", "Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.reads("Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.react("Page two is fine, they took off the scaffolding as agreed 👍", "❤️");
  await tomasz.say("1. Paint\n2. Brushes\n3. `ladder` from Jonas");
  await page.getByRole("article").getByText("Brushes").waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room");
  await lena.invite(klara);
  await klara.accept(/Garden house/);
  await page.getByText(/Klara Nowak.* came in/).waitFor();
  await lena.attach("roof.png", await painted(page, 200));
  await page.getByRole("img", { name: "roof.png" }).waitFor();
  await lena.attach("evening.png", await painted(page, 20));
  await page.getByRole("img", { name: "evening.png" }).waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room-pictures");
  await page.getByRole("button", { name: "Picture: roof.png" }).click();
  await page.getByRole("dialog", { name: "Picture" }).getByRole("img", { name: "roof.png" }).waitFor();
  await look(page, "viewer");
  await closeDialog(page);
  await lena.say("```js\nconst paint = { colour: \"green\", litres: 12 };\n```");
  await page.locator("pre .code-string").waitFor();
  await lena.sends("Paint on Monday");
  await lena.edits("Paint on Monday", "Paint on Tuesday");
  await page.getByRole("button", { name: "(edited)" }).click();
  await page.getByRole("dialog").getByText("Paint on Monday").waitFor();
  await look(page, "edit-history");
  await closeDialog(page);
  await add(page, "Poll");
  await page.getByRole("dialog").getByLabel("Question").fill("Which colour for the door?");
  await page.getByRole("dialog").getByLabel("Answer 1").fill("Green");
  await page.getByRole("dialog").getByLabel("Answer 2").fill("Blue");
  await look(page, "new-poll");
  await page.getByRole("dialog").getByRole("button", { name: "Ask" }).click();
  for (const [person, answer] of [[klara, "Blue"], [tomasz, "Green"], [lena, "Green"]]) {
    if (person === klara) await klara.choose("Garden house");
    await person.page.getByRole("group", { name: "Which colour" }).getByRole("button", { name: answer }).click();
  }
  await page.getByText("3 votes").waitFor();
  await add(page, "Voice message");
  await page.getByRole("group", { name: "Voice message" }).getByText("0:01").waitFor();
  await look(page, "recording");
  await page.getByRole("group", { name: "Voice message" }).getByRole("button", { name: "Send" }).click();
  await page.getByRole("article").filter({ hasText: "Voice message" }).waitFor();
  await page.mouse.move(0, 0);
  await look(page, "room-poll-voice");
  await chooseOf(lena, "Paint on Tuesday", "Pin");
  await page.getByRole("region", { name: "Pinned" }).waitFor();
  await page.getByRole("button", { name: "To the newest" }).click().catch(() => {});
  await page.mouse.move(0, 0);
  await look(page, "pinned");
}

/** What a room holds, by kind. */
export async function media({ lena, page }, look) {
  await lena.chooseAbout("Media");
  const panel = page.getByRole("complementary", { name: "Media" });
  await panel.getByRole("button", { name: /^roof.png/ }).waitFor();
  await look(page, "media");
  for (const [tab, name] of [["Videos", "media-none"], ["Files", "media-files"], ["Voice", "media-voice"]]) {
    await panel.getByRole("tab", { name: tab }).click();
    await look(page, name);
  }
  await panel.getByRole("button", { name: "Close" }).click();
}

/** What opens about a message or while one writes, and threads. */
export async function beside({ lena, tomasz, page }, look) {
  const words = "Paint on Tuesday";
  await lena.message(words).scrollIntoViewIfNeeded();
  await lena.message(words).hover();
  await lena.message(words).getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem").first().waitFor();
  await look(page, "message-menu");
  await page.keyboard.press("Escape");
  await lena.message(words).hover();
  await lena.message(words).getByRole("button", { name: "React" }).click();
  await look(page, "react");
  await page.keyboard.press("Escape");
  await page.mouse.click(700, 30);
  await chooseOf(tomasz, "Paint on Tuesday", "Reply in a thread");
  const thread = tomasz.page.getByRole("complementary", { name: "Thread" });
  for (const [person, said] of [[tomasz, "I have two brushes left from last year"], [tomasz, "Could somebody bring rollers?"]]) {
    await thread.getByRole("textbox").fill(said);
    await thread.getByRole("textbox").press("Enter");
    await person.page.getByText(said).first().waitFor();
  }
  await page.getByRole("button", { name: "2 replies" }).click();
  await page.getByRole("complementary", { name: "Thread" }).getByText("rollers").waitFor();
  await look(page, "thread");
  await page.getByRole("complementary", { name: "Thread" }).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "To the newest" }).click().catch(() => {});
  await lena.field().fill("@to");
  await page.getByRole("listbox", { name: "Suggestions" }).waitFor();
  await look(page, "completions");
  await lena.field().fill("");
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  await page.getByLabel("Search", { exact: true }).waitFor();
  await look(page, "emoji");
  await page.keyboard.press("Escape");
  await lena.message("Paint on Tuesday").scrollIntoViewIfNeeded();
  await lena.message("Paint on Tuesday").hover();
  await lena.message("Paint on Tuesday").getByRole("button", { name: "Reply", exact: true }).click();
  await lena.field().fill("A reply that has several lines:\n\n- rollers\n- brushes\n- a ladder");
  await look(page, "replying");
  await lena.field().press("Escape");
  await lena.field().fill("");
  for (const words of ["A slip of the pen", "And another one"]) {
    await lena.sends(words);
    await chooseOf(lena, words, "Remove");
    await page.getByRole("article").getByText(words).waitFor({ state: "detached" });
  }
  await page.mouse.move(0, 0);
  await look(page, "removed");
}
