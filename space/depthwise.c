/* The weight gradient of a depthwise convolution, stride 1, padding K / 2, on channels-last maps of float32.

   weight[t = i * K + j][c] = sum over n, y, w of  x[n][y + i - K/2][w + j - K/2][c] * gradient[n][y][w][c]

   Images are taken one at a time. Its maps are copied into strips of LANES channels with a border of zeros, so that the
   inner loop has no edges: for one row of the kernel (all rows of a small one) its sums stay in registers while the
   map passes by, and each product reads one vector. */

#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float vec __attribute__((vector_size(4 * LANES)));

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* One image (H, W, C) -> (strips, H + 2 border, W + 2 border) vectors; the border is left as it is. */
static void pack(const float *image, int H, int W, int C, int border, vec *packed) {
    int wide = W + 2 * border, whole = C / LANES, rest = C % LANES;
    size_t strip = (size_t)(H + 2 * border) * wide;
    for (int y = 0; y < H; y++)
        for (int w = 0; w < W; w++) {
            vec *to = packed + (size_t)(y + border) * wide + w + border;
            const float *from = image + ((size_t)y * W + w) * C;
            for (int s = 0; s < whole; s++) memcpy(to + s * strip, from + s * LANES, sizeof(vec));
            if (rest) memcpy(to + whole * strip, from + whole * LANES, rest * sizeof(float));
        }
}

/* R rows of the kernel from row `first` on, over one image of one strip. */
#define ROWS(K, R)                                                                                                     \
    static void rows_##K##_##R(const vec *x, const vec *gradient, int H, int W, int first, vec *sums) {                \
        const int wide = W + K - 1, from = MAX(0, K / 2 - first - R + 1), to = MIN(H, H + K / 2 - first);              \
        vec acc[R][K];                                                                                                 \
        for (int r = 0; r < R; r++)                                                                                    \
            for (int j = 0; j < K; j++) acc[r][j] = sums[(first + r) * K + j];                                         \
        for (int y = from; y < to; y++)                                                                                \
            for (int w = 0; w < W; w++) {                                                                              \
                const vec *at = x + (size_t)(y + first) * wide + w;                                                    \
                vec g = gradient[(size_t)y * W + w];                                                                   \
                for (int r = 0; r < R; r++)                                                                            \
                    for (int j = 0; j < K; j++) acc[r][j] += g * at[r * wide + j];                                     \
            }                                                                                                          \
        for (int r = 0; r < R; r++)                                                                                    \
            for (int j = 0; j < K; j++) sums[(first + r) * K + j] = acc[r][j];                                         \
    }
ROWS(5, 2)
ROWS(5, 3)
ROWS(7, 1)
ROWS(9, 1)
ROWS(11, 1)

static void one_strip(int K, const vec *x, const vec *gradient, int H, int W, vec *sums) {
    switch (K) {
    case 5: rows_5_2(x, gradient, H, W, 0, sums); rows_5_3(x, gradient, H, W, 2, sums); break;
    case 7: for (int i = 0; i < K; i++) rows_7_1(x, gradient, H, W, i, sums); break;
    case 9: for (int i = 0; i < K; i++) rows_9_1(x, gradient, H, W, i, sums); break;
    case 11: for (int i = 0; i < K; i++) rows_11_1(x, gradient, H, W, i, sums); break;
    }
}

/* x, gradient (N, H, W, C) -> weight (parts, K * K, C), one sum for each of `parts` shares of the images, each made by a
   thread. Returns 0, or 1 where memory is short. */
int nas_depthwise_weight(const float *x, const float *gradient, float *weight, int N, int H, int W, int C, int K,
                         int parts) {
    int strips = (C + LANES - 1) / LANES, failed = 0;
    size_t x_strip = (size_t)(H + K - 1) * (W + K - 1), g_strip = (size_t)H * W;
    size_t vectors = strips * (x_strip + g_strip + K * K);
#pragma omp parallel for num_threads(parts) schedule(static) reduction(| : failed)
    for (int part = 0; part < parts; part++) {
        vec *x_packed = aligned_alloc(sizeof(vec), vectors * sizeof(vec));
        if (!x_packed) { failed = 1; continue; }
        memset(x_packed, 0, vectors * sizeof(vec));
        vec *g_packed = x_packed + strips * x_strip, *sums = g_packed + strips * g_strip;
        for (int n = (int)((long)N * part / parts); n < (int)((long)N * (part + 1) / parts); n++) {
            pack(x + (size_t)n * g_strip * C, H, W, C, K / 2, x_packed);
            pack(gradient + (size_t)n * g_strip * C, H, W, C, 0, g_packed);
            for (int s = 0; s < strips; s++)
                one_strip(K, x_packed + s * x_strip, g_packed + s * g_strip, H, W, sums + (size_t)s * K * K);
        }
        for (int t = 0; t < K * K; t++)
            for (int s = 0; s < strips; s++)
                memcpy(weight + ((size_t)part * K * K + t) * C + s * LANES, &sums[(size_t)s * K * K + t],
                       MIN(LANES, C - s * LANES) * sizeof(float));
        free(x_packed);
    }
    return failed;
}
