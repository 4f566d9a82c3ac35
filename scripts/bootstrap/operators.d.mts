/** Types of operators.mjs. */
export declare function findPrometheus(): string;
export declare function findPromtool(): string;
export declare function findNginx(): string;
export declare function findHaproxy(): string;
export declare function findOpenssl(): string;
