"""Artifact models: classes whose instances are values, with versions, migrations, serializers and storages."""
