#!/usr/bin/env python3
"""Writes a C++ header that holds a file: embed.py FILE FUNCTION_PREFIX"""

import sys


def main() -> None:
    path, prefix = sys.argv[1:]
    with open(path, "rb") as file:
        data = file.read()
    rows = (", ".join(str(byte) for byte in data[i:i + 16])
            for i in range(0, len(data), 16))
    print("#pragma once\n#include <string_view>\nnamespace sallyport::bpf {\n"
          "inline std::string_view %sObject() {\n"
          "  alignas(8) static constexpr unsigned char kBytes[] = {\n%s};\n"
          "  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};\n"
          "}\n}  // namespace sallyport::bpf" % (prefix, ",\n".join(rows)))


main()
