// What people do again and again on the tour.

export const WIDE = { width: 1440, height: 900 };

export async function openAdd({ page }, tab) {
  await page.getByRole("button", { name: "New room or chat" }).first().click();
  await page.getByRole("tab", { name: tab }).click();
}

export async function add(page, what) {
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menuitem", { name: what }).click();
}

export async function chooseOf(person, words, name) {
  await person.message(words).hover();
  await person.message(words).getByRole("button", { name: "More" }).click();
  await person.page.getByRole("menuitem", { name }).click();
}

export async function closeDialog(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** A picture of something, as bytes of a PNG. */
export async function painted(page, hue) {
  const encoded = await page.evaluate((hue) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 420 });
    const context = canvas.getContext("2d");
    const sky = context.createLinearGradient(0, 0, 0, 420);
    sky.addColorStop(0, `hsl(${hue} 60% 62%)`);
    sky.addColorStop(1, `hsl(${hue + 30} 70% 88%)`);
    context.fillStyle = sky;
    context.fillRect(0, 0, 640, 420);
    context.fillStyle = "hsl(120 30% 38%)";
    context.fillRect(0, 320, 640, 100);
    context.fillStyle = "hsl(30 35% 82%)";
    context.fillRect(210, 190, 230, 150);
    context.fillStyle = "hsl(12 45% 42%)";
    context.beginPath();
    context.moveTo(190, 190);
    context.lineTo(325, 100);
    context.lineTo(460, 190);
    context.fill();
    context.fillStyle = "hsl(210 30% 40%)";
    context.fillRect(300, 250, 50, 90);
    return canvas.toDataURL("image/png").split(",")[1];
  }, hue);
  return Buffer.from(encoded, "base64");
}
