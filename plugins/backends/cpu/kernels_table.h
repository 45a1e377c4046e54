/* The part of a kernel table that kernels_body.h fills. */
.to_bf16 = to_bf16, .from_bf16 = from_bf16, .activate = activate, .finish = finish, .geglu = geglu,
                    .add = add, .scale = scale, .softmax = softmax, .layer_norm = layer_norm,
                    .moments = moments, .normalise = normalise,
