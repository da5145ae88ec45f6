"""Frozen records without what importing `dataclasses` costs, for what a launcher loads.

DESIGN §11. To a type checker `record` is `dataclasses.dataclass`; at run time it is the little of
it that is needed: values by position or by name, defaults, equality, and no change afterwards.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from dataclasses import replace as replace  # noqa: PLC0414  # it is exported
else:

    def record(*, frozen):
        """Return a decorator that makes a record of a class with annotations."""
        assert frozen  # noqa: S101  # there is no other kind

        def decorate(cls):
            cls.__init__ = _initialise
            cls.__eq__ = _equals
            cls.__hash__ = _hash
            cls.__repr__ = _represent
            cls.__setattr__ = cls.__delattr__ = _refuse
            return cls

        return decorate

    def replace(one, /, **changes):
        """Return the same record with other values."""
        return type(one)(**{**one.__dict__, **changes})

    def _initialise(self, *values, **named):
        names = tuple(type(self).__annotations__)
        if len(values) > len(names) or any([name in named for name in names[: len(values)]]):
            raise TypeError(f"{type(self).__name__}: a value is given twice, or one too many")
        arguments = {**dict(zip(names, values, strict=False)), **named}
        for name in names:
            if name not in arguments and hasattr(type(self), name):
                arguments[name] = getattr(type(self), name)
        if len(arguments) != len(names) or any([name not in arguments for name in names]):
            raise TypeError(f"{type(self).__name__} has {names}, and was given {tuple(arguments)}")
        self.__dict__.update(arguments)

    def _equals(self, other):
        return self.__dict__ == other.__dict__ if type(self) is type(other) else NotImplemented

    def _hash(self):
        return hash(tuple(self.__dict__.values()))

    def _represent(self):
        values = ", ".join([f"{name}={value!r}" for name, value in self.__dict__.items()])
        return f"{type(self).__name__}({values})"

    def _refuse(self, name, *_value):
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")


__all__ = ["record", "replace"]
