// opened_library.h: a library that is opened when the program runs, so that a binary starts where
// the library is not installed.
//
// It stays open until the program ends, as the libraries' own threads ask for.
#pragma once
#include <dlfcn.h>

#include <string>
#include <utility>

class OpenedLibrary {
  public:
    explicit OpenedLibrary(std::string name)
        : name_(std::move(name)), library_(dlopen(name_.c_str(), RTLD_NOW)) {
        if (library_ != nullptr) return;
        const char* const why = dlerror();
        missing_ = (why != nullptr ? why : name_ + " was not found") +
                   std::string("; put the folder of one that fits on LD_LIBRARY_PATH");
    }
    /// Sets a pointer to the function `symbol`, whose type the caller answers for.
    template <class Function>
    void find(const char* symbol, Function& function) {
        if (library_ == nullptr) return;
        function = reinterpret_cast<Function>(dlsym(library_, symbol));
        if (function == nullptr) missing_ = name_ + " has no " + symbol;
    }
    /// What is not there, in words; empty: all is.
    const std::string& missing() const { return missing_; }

  private:
    std::string name_, missing_;
    void* library_;
};
