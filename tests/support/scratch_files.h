// scratch_files.h: text files in a folder that is removed when its test ends.
#pragma once
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/support/temporary_directory.h"

class ScratchFiles {
  public:
    std::string path(const std::string& name) const { return (folder_.path / name).string(); }
    std::string write(const std::string& name, const std::string& text) const {
        return folder_.write(name, {text.begin(), text.end()}).string();
    }
    std::string read(const std::string& name) const {
        std::ifstream file(path(name), std::ios::binary);
        if (!file) throw std::runtime_error("cannot read " + path(name));
        return {std::istreambuf_iterator<char>(file), {}};
    }

  private:
    TemporaryDirectory folder_;
};
