// Runs one scenario in JSON and in Protobuf at once: node run.mjs FILE NAME WEBSOCKET-URL API-URL
import { World } from './world.mjs';

const [file, name, websocket, api] = process.argv.slice(2);
const scenario = (await import(`./${file}`))[name];
const run = async encoding => {
  const world = new World(websocket, api, encoding);
  try {
    await scenario(world);
  } catch (error) {
    console.log(`${encoding}: ${error.stack}`);
    process.exitCode = 1;
  } finally {
    world.close();
  }
};
await Promise.all(['json', 'protobuf'].map(run));
process.exit();
