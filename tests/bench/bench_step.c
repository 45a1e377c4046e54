/* What the machinery costs beside the work: a scoring step that has next to nothing to compute, in a worker
 * that is warm and in one that must be started, and a prediction asked through a host of a model that computes
 * nothing. bench_step [TIMES] */
