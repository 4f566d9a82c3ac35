/** Runs before the page's own code is read: the router is asked for what is to be shown while the browser still reads and compiles.
 *  Owns: nothing but that moment. */
import { beginEarly } from './api.ts';

beginEarly();
