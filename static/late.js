/** On pages without a clip: answers that this browser still keeps go to the server, however late they are. */

const PAUSE = 5000; // ms between two attempts

const { search: version } = new URL(import.meta.url);
const outbox = await import(`./outbox.js${version}`);

outbox.belongTo(document.querySelector("meta[name=rater]").content);
const nowhere = () => {}; // a final refusal: there is no clip here that its words would belong to
while (await outbox.sendOthers(null, nowhere)) await new Promise((go) => setTimeout(go, PAUSE));
