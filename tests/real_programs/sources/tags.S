# The tags of exceptions: of longjmp, and of C++. Where the compiler's own library defines them, ziglang does not carry it.
        .globl  __c_longjmp
        .tagtype __c_longjmp i32
__c_longjmp:

        .globl  __cpp_exception
        .tagtype __cpp_exception i32
__cpp_exception:
