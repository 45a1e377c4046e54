/* The part of a kernel table that kernels_body.h fills. */
.to_bf16 = to_bf16, .from_bf16 = from_bf16, .activate = activate, .finish = finish, .geglu = geglu,
                    .add = add, .scale = scale, .softmax = softmax, .layer_norm = layer_norm,
                    .moments = moments, .normalise = normalise, .width = VW, .winograd_panel = PANEL,
                    .winograd_input = winograd_input, .winograd_weights = winograd_weights,
                    .winograd_multiply = winograd_multiply, .winograd_output = winograd_output,
