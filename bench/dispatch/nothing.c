/*
 * The least job there is: a program that ends at once.
 *
 * With FREESTANDING, for the processors named here, it has no C library and no start-up code, so
 * that running it costs what the kernel charges for a process and nothing more:
 *
 *     gcc -O2 -static -nostdlib -DFREESTANDING -o nothing nothing.c
 *
 * Anywhere else it is an ordinary static program:
 *
 *     gcc -O2 -static -o nothing nothing.c
 */

#ifdef FREESTANDING

void _start(void)
{
#if defined(__x86_64__)
    /* exit_group(0) is system call 231. */
    __asm__ volatile("syscall" : : "a"(231L), "D"(0L) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    /* exit_group(0) is system call 94. */
    register long number __asm__("x8") = 94;
    register long status __asm__("x0") = 0;
    __asm__ volatile("svc #0" : : "r"(number), "r"(status) : "memory");
#else
#error "no way out is written for this processor: build without FREESTANDING"
#endif
    __builtin_unreachable();
}

#else

int main(void)
{
    return 0;
}

#endif
