/* bcryptprimitives.dll, which Wine 8 lacks: wheels made with Rust ask it for random bytes. Windows'
   own ProcessPrng never fails; RtlGenRandom, which advapi32 has always had, gives the same. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count)
{
    return SystemFunction036(bytes, (ULONG)count);
}
