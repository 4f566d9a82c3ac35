/** This build's version, as it is told to others and in logs. A test holds it equal to package.json. */
export const VERSION = '0.1.0';
