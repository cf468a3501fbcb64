// NocoDB on PORT of 127.0.0.1, as long as the process PARENT_PID lives.
const express = require('express');
const { Noco } = require('nocodb');

const parent = Number(process.env.PARENT_PID);
setInterval(() => {
  try {
    process.kill(parent, 0);
  } catch {
    process.exit(0);
  }
}, 1000).unref();

const app = express();
const server = app.listen(Number(process.env.PORT), '127.0.0.1', async () => {
  app.use(await Noco.init({}, server, app));
});
