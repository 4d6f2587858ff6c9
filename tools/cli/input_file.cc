#include "tools/cli/input_file.h"

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"

namespace sallyport::cli {

absl::StatusOr<std::string> ReadInputFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in && path != "-") {
    return MakeError(absl::StatusCode::kNotFound, "FILE_UNREADABLE",
                     absl::StrCat("cannot read ", path));
  }
  std::istream& from = path == "-" ? std::cin : in;
  return std::string(std::istreambuf_iterator<char>(from), {});
}

}  // namespace sallyport::cli
