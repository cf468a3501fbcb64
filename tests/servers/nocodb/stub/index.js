// Stands for packages that tests do not load.
module.exports = {};
