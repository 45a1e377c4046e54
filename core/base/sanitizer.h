/* Settings of the address sanitizer: for the one file of a program that has its main. */
#ifndef TT_BASE_SANITIZER_H
#define TT_BASE_SANITIZER_H

#ifdef TT_SANITIZE
/* gcc 12's guess at where a thread's storage of an opened library lies is wrong for the threads of the OpenMP
 * runtime, and the leak check then crashes on it. Without the guess nothing is lost: leaks are still found.
 */
const char *__asan_default_options(void);
__attribute__((visibility("default"), used)) const char *__asan_default_options(void)
{
    return "intercept_tls_get_addr=0";
}
#endif

#endif
